use std::borrow::Cow;
use std::fs;
use std::path::Path;

use safetensors::{Dtype, SafeTensors, View};
use tch::{Kind, Tensor};

use crate::TrainError;
use crate::container::{self, Header, Identity, Position};

/// A checkpoint in memory, in the safetensors format. The same state gives the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    bytes: Vec<u8>,
}

impl Snapshot {
    pub(crate) fn take(
        job: &Identity,
        position: Position,
        tensors: &[(String, Tensor)],
    ) -> Result<Self, TrainError> {
        let arrays = tensors
            .iter()
            .map(|(name, tensor)| Ok((name.as_str(), Array::of(tensor)?)))
            .collect::<Result<Vec<_>, TrainError>>()?;
        let bytes =
            container::write(&Header::new(job.clone(), position), arrays).map_err(TrainError::Torch)?;
        Ok(Self { bytes })
    }

    /// The content of the checkpoint file.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The content of the checkpoint file.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Writes the checkpoint file. It is not synced to the disk.
    ///
    /// # Errors
    ///
    /// [`TrainError::File`].
    pub fn write(&self, into: &Path) -> Result<(), TrainError> {
        fs::write(into, &self.bytes).map_err(|source| TrainError::File {
            action: "write",
            path: into.to_owned(),
            source,
        })
    }
}

/// The numbers of a tensor, copied to memory.
struct Array {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Array {
    fn of(tensor: &Tensor) -> Result<Self, TrainError> {
        let tensor = tensor.f_contiguous()?;
        let mut bytes = vec![0; tensor.numel() * tensor.f_kind()?.elt_size_in_bytes()];
        tensor.f_copy_data_u8(&mut bytes, tensor.numel())?;
        Ok(Self { dtype: dtype(&tensor)?, shape: shape(&tensor), bytes })
    }
}

impl View for Array {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

fn shape(tensor: &Tensor) -> Vec<usize> {
    tensor.size().into_iter().map(|side| side as usize).collect()
}

fn dtype(tensor: &Tensor) -> Result<Dtype, TrainError> {
    match tensor.f_kind()? {
        Kind::Float => Ok(Dtype::F32),
        Kind::Double => Ok(Dtype::F64),
        kind => Err(TrainError::Torch(format!("{kind:?} has no place in a checkpoint"))),
    }
}

/// Copies the checkpoint's numbers into `tensors`, if it is whole, of this job, and has exactly these tensors. Nothing
/// is copied otherwise.
pub(crate) fn restore(
    path: &Path,
    job: &Identity,
    tensors: Vec<(String, Tensor)>,
) -> Result<Position, TrainError> {
    let refuse = |reason: String| TrainError::Checkpoint { path: path.to_owned(), reason };
    let bytes = fs::read(path).map_err(|source| TrainError::File {
        action: "read",
        path: path.to_owned(),
        source,
    })?;
    let (header, saved) = container::read(&bytes).map_err(refuse)?;
    header.check(job).map_err(refuse)?;
    check_tensors(&saved, &tensors).map_err(refuse)?;
    for (name, mut tensor) in tensors {
        let view = saved.tensor(&name).map_err(|e| refuse(e.to_string()))?;
        let numbers = Tensor::f_from_data_size(view.data(), &tensor.size(), tensor.f_kind()?)?;
        tensor.f_copy_(&numbers)?;
    }
    Ok(header.position)
}

fn check_tensors(saved: &SafeTensors<'_>, expected: &[(String, Tensor)]) -> Result<(), String> {
    for (name, tensor) in expected {
        let found = saved.tensor(name).map_err(|_| format!("it has no `{name}`"))?;
        let (shape, dtype) = (shape(tensor), dtype(tensor).map_err(|e| e.to_string())?);
        if found.shape() != shape || found.dtype() != dtype {
            let found = format!("{:?} of {:?}", found.dtype(), found.shape());
            return Err(format!("its `{name}` is {found}, expected {dtype:?} of {shape:?}"));
        }
    }
    if saved.len() == expected.len() {
        Ok(())
    } else {
        Err(format!("it has {} tensors, expected {}", saved.len(), expected.len()))
    }
}
