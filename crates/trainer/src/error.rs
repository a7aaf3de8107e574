use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use domain::Owner;
use genome::GenomeError;
use tch::TchError;
use thiserror::Error;

/// Why a training cannot start or go on.
#[derive(Debug, Error)]
pub enum TrainError {
    /// The genome is no network for the data set.
    #[error("cannot build the network")]
    Genome(#[from] GenomeError),
    /// The job asks for what cannot be trained.
    #[error("`{what}` is {found}: expected {allowed}")]
    Setting {
        /// Which part of the job.
        what: &'static str,
        /// The value found.
        found: String,
        /// What it may be.
        allowed: String,
    },
    /// The loss, or the network's output, is no longer a finite number.
    #[error("diverged in epoch {epoch:.2}: the {what} is {value}")]
    Diverged {
        /// Epochs trained when it was noticed.
        epoch: f64,
        /// `training loss` or `validation loss`.
        what: &'static str,
        /// The value: infinite or not a number.
        value: f64,
    },
    /// The device has too little memory for the network with this batch size, or other programs hold it.
    #[error("{device} is out of memory: {reason}")]
    OutOfMemory {
        /// The device.
        device: String,
        /// What libtorch said.
        reason: String,
    },
    /// The device failed. A CUDA device stays unusable for the process, which should end.
    #[error("{device} failed: {reason}")]
    DeviceLost {
        /// The device.
        device: String,
        /// What libtorch said.
        reason: String,
    },
    /// There is no such device on this machine.
    #[error("no device `{device}`: {reason}")]
    NoDevice {
        /// The name that was given.
        device: String,
        /// What is missing, or which names are possible.
        reason: String,
    },
    /// A checkpoint that cannot be written or read, for the operating system's reasons.
    #[error("cannot {action} checkpoint `{}`", path.display())]
    File {
        /// `write` or `read`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A checkpoint that is damaged, or that belongs to another job.
    #[error("cannot resume from checkpoint `{}`: {reason}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What was expected and found.
        reason: String,
    },
    /// The training already reached the end of its budget.
    #[error("the training has ended after {epochs} epochs")]
    Ended {
        /// The budget.
        epochs: f64,
    },
    /// libtorch refused an operation.
    #[error("libtorch: {0}")]
    Torch(String),
}

impl TrainError {
    /// Owner of the fault. Three variants say more than it does: [`Self::Diverged`] is an outcome and no fault, after
    /// [`Self::DeviceLost`] the process should end, and [`Self::Checkpoint`] is the checkpoint's: the one before it may be
    /// whole.
    pub fn owner(&self) -> Owner {
        match self {
            // Without a plan: a job that strayed to a worker of the wrong kind. One that runs its program can train it.
            Self::Genome(GenomeError::NoPlan)
            | Self::DeviceLost { .. }
            | Self::NoDevice { .. }
            | Self::File { .. } => Owner::Host,
            Self::Torch(message) if is_about_shapes(message) => Owner::Job,
            Self::Genome(_) | Self::Setting { .. } | Self::Diverged { .. } | Self::Ended { .. } => Owner::Job,
            // Out of memory: another device may be larger, or less shared.
            Self::OutOfMemory { .. } | Self::Checkpoint { .. } | Self::Torch(_) => Owner::Unknown,
        }
    }

    pub(crate) fn setting(
        what: &'static str,
        found: impl std::fmt::Display,
        allowed: impl Into<String>,
    ) -> Self {
        Self::Setting { what, found: found.to_string(), allowed: allowed.into() }
    }

    /// The error that libtorch's message tells of.
    fn of_message(message: &str) -> Self {
        // After the first lines comes the C++ stack.
        let reason = message.split("\nException raised").next().unwrap_or(message).trim().to_owned();
        let says = |parts: &[&str]| parts.iter().any(|part| reason.contains(part));
        let device =
            if says(&["CUDA", "cuda", "CUDNN", "cuDNN", "CUBLAS"]) { "the CUDA device" } else { "the CPU" };
        let device = device.to_owned();
        if says(&[
            "not linked with support for cuda",
            "not compiled with CUDA",
            "NVIDIA driver",
            "'CUDA' backend",
        ]) {
            Self::NoDevice { device: "cuda".to_owned(), reason }
        } else if says(&["out of memory", "can't allocate memory", "not enough memory", "ALLOC_FAILED"]) {
            Self::OutOfMemory { device, reason }
        } else if says(&[
            "CUDA error",
            "CUDA driver error",
            "CUDNN_STATUS_EXECUTION_FAILED",
            "CUBLAS_STATUS_EXECUTION_FAILED",
        ]) {
            Self::DeviceLost { device, reason }
        } else {
            Self::Torch(reason)
        }
    }
}

impl From<TchError> for TrainError {
    fn from(error: TchError) -> Self {
        Self::of_message(&match error {
            TchError::Torch(message) => message,
            other => other.to_string(),
        })
    }
}

/// Whether tensors did not fit each other: that follows from the network and the images alone, whatever the machine. libtorch has
/// no codes for its refusals, so its words have to do; one that is not recognised is only tried again in vain.
fn is_about_shapes(message: &str) -> bool {
    ["size of tensor", "must match", "shape", "dimension", "Kernel size"]
        .iter()
        .any(|words| message.contains(words))
}

/// Runs `work`; a panic of the crate `tch` in it becomes an error like those that it returns.
pub(crate) fn contain<T>(work: impl FnOnce() -> Result<T, TrainError>) -> Result<T, TrainError> {
    // Whoever sees the error gives the session up, so that no half-changed state is used.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(of_panic(panic.as_ref())))
}

fn of_panic(panic: &(dyn Any + Send)) -> TrainError {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    // `unwrap` prints the message with its newlines escaped.
    TrainError::of_message(&text.unwrap_or("a panic without a message").replace("\\n", "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_libtorch() {
        let table = [
            (
                "CUDA out of memory. Tried to allocate 2.00 GiB.\nException raised from malloc at x.cpp:1\n#0",
                Owner::Unknown,
                "the CUDA device is out of memory: CUDA out of memory. Tried to allocate 2.00 GiB.",
            ),
            (
                "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried",
                Owner::Unknown,
                "the CPU is out of memory",
            ),
            ("CUDA error: unspecified launch failure", Owner::Host, "the CUDA device failed"),
            ("PyTorch is not linked with support for cuda devices", Owner::Host, "no device `cuda`"),
            ("Found no NVIDIA driver on your system.", Owner::Host, "no device `cuda`"),
            (
                "The size of tensor a (3) must match\nException raised from infer",
                Owner::Job,
                "libtorch: The size of tensor a (3) must match",
            ),
            ("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)", Owner::Job, "libtorch: mat1"),
            (
                "Calculated padded input size per channel: (1 x 1). Kernel size: (3 x 3).",
                Owner::Job,
                "libtorch: C",
            ),
            ("could not create a primitive", Owner::Unknown, "libtorch: could not"),
        ];
        for (message, owner, text) in table {
            let error = TrainError::of_message(message);
            assert_eq!(error.owner(), owner, "{message}");
            assert!(error.to_string().starts_with(text) && !error.to_string().contains("raised"), "{error}");
        }
    }

    /// In the words of the libtorch at hand.
    #[test]
    fn a_device_that_libtorch_has_not_is_the_hosts_fault() {
        if tch::utils::has_cuda() {
            return;
        }
        let options = (tch::Kind::Float, tch::Device::Cuda(0));
        let error = contain(|| Ok(tch::Tensor::f_zeros([2], options)?)).unwrap_err();
        assert!(matches!(error, TrainError::NoDevice { .. }), "{error}");
        assert_eq!(error.owner(), Owner::Host);
    }

    #[test]
    fn a_genome_is_the_jobs_fault_unless_it_is_another_kind_of_workers() {
        let limit = GenomeError::Limit { quantity: "parameters", found: "9".into(), allowed: "8".into() };
        assert_eq!(TrainError::from(limit).owner(), Owner::Job);
        assert_eq!(TrainError::from(GenomeError::NoPlan).owner(), Owner::Host);
    }

    #[test]
    fn panics_are_contained() {
        let found = contain(|| {
            // `tch` unwraps where it has no fallible method: shapes that do not match.
            let sum = tch::Tensor::from_slice(&[1.0, 2.0]) + tch::Tensor::from_slice(&[1.0, 2.0, 3.0]);
            Ok(sum.numel())
        });
        let error = found.unwrap_err();
        assert_eq!(error.owner(), Owner::Job, "{error}");
        let text = error.to_string();
        assert!(text.contains("must match the size") && !text.contains("Exception raised"), "{text}");
    }
}
