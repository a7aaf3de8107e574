use std::fmt;
use std::str::FromStr;

use tch::Cuda;

use crate::TrainError;

/// Where a network is trained: `cpu`, `cuda` (the first one) or `cuda:1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device(pub(crate) tch::Device);

impl Device {
    /// The processor. Always there.
    pub const CPU: Self = Self(tch::Device::Cpu);

    /// The first CUDA device if there is one, else the processor.
    pub fn best() -> Self {
        Self(tch::Device::cuda_if_available())
    }

    /// Whether this is a GPU.
    pub fn is_cuda(self) -> bool {
        self.0.is_cuda()
    }
}

impl FromStr for Device {
    type Err = TrainError;

    fn from_str(name: &str) -> Result<Self, TrainError> {
        let refuse =
            |reason: &str| Err(TrainError::NoDevice { device: name.to_owned(), reason: reason.to_owned() });
        let number = match name {
            "cpu" => return Ok(Self::CPU),
            "cuda" => Some(0),
            _ => name.strip_prefix("cuda:").and_then(|number| number.parse().ok()),
        };
        let Some(number) = number else {
            return refuse("expected `cpu`, `cuda`, or `cuda:N` with a number");
        };
        if !tch::utils::has_cuda() {
            let reason = "no CUDA in this libtorch, or no driver for it; `cpu` is there";
            return refuse(reason);
        }
        match Cuda::device_count() {
            count if (number as i64) < count => Ok(Self(tch::Device::Cuda(number))),
            count => refuse(&format!("there are {count} CUDA devices, numbered from 0")),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            tch::Device::Cuda(number) => write!(f, "cuda:{number}"),
            _ => f.write_str("cpu"),
        }
    }
}

/// Sets how many threads an operation on the processor uses. libtorch holds the number for each thread that uses it: call it
/// from the thread that trains. Only with one thread are results the same bit for bit however the work falls.
pub fn set_threads(threads: u16) {
    tch::set_num_threads(i32::from(threads.max(1)));
}

/// How many threads an operation uses that the calling thread starts on the processor.
pub fn threads() -> i32 {
    tch::get_num_threads()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!("cpu".parse::<Device>().unwrap().to_string(), "cpu");
        let cases = [("gpu", "expected `cpu`"), ("cuda:x", "expected `cpu`"), ("cuda:99", "CUDA")];
        for (name, expected) in cases {
            let found = name.parse::<Device>().unwrap_err().to_string();
            assert!(found.starts_with(&format!("no device `{name}`")) && found.contains(expected), "{found}");
        }
    }
}
