//! Checkpoints of `peng-worker`: arrays in the safetensors format.

#[path = "../../../crates/trainer/src/container.rs"]
#[expect(dead_code, reason = "its crate uses more of it")]
mod container;

use container::{Header, Identity};

/// What is understood holds no more than its bytes, and means the same when it is written and read again.
pub fn check(data: &[u8]) {
    let (header, arrays) = match container::read(data) {
        Ok(read) => read,
        Err(reason) => return assert!(reason.starts_with("it"), "{reason}"),
    };
    assert!(header.check(&Identity::from([("a key".to_owned(), "that no job has".to_owned())])).is_err());
    let tensors = arrays.tensors();
    assert!(tensors.iter().map(|(_, view)| view.data().len()).sum::<usize>() <= data.len());
    let views = tensors.iter().map(|(name, view)| (name.as_str(), view.clone())).collect();
    let bytes = container::write(&header, views).expect("it was understood before");
    let (again, written): (Header, _) = container::read(&bytes).expect("it was written by this version");
    assert_eq!(again, header);
    assert_eq!(written.len(), arrays.len());
    for (name, view) in &tensors {
        assert_eq!(written.tensor(name).ok().as_ref(), Some(view), "{name}");
    }
}
