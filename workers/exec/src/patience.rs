//! What a program is granted: time, and the directory that it leaves behind.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::{access::Access, program};

/// How long a program may take.
#[derive(Debug, Clone, Args)]
pub struct Patience {
    /// A program that writes no line for so long hangs and is killed
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = seconds)]
    pub timeout: Duration,

    /// How long a program that was told to stop may take before it gets SIGTERM; SIGKILL comes 2 s later
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub stop_grace: Duration,
}

/// Which working directories stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Keep {
    /// None
    Never,
    /// Those of attempts that failed
    Failed,
    /// All
    Always,
}

impl Patience {
    pub fn recipe(&self, program: &[String], access: &Access) -> anyhow::Result<program::Recipe> {
        let user = access.user()?;
        Ok(program::Recipe {
            program: program::located(program.to_vec()),
            environment: access.environment(user.as_ref()),
            user,
            timeout: self.timeout,
            stop_grace: self.stop_grace,
        })
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    parsed
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "expected a number of seconds above 0".to_owned())
}
