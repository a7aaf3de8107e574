//! What a worker is told on the command line or by the environment; the same for every kind of worker.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

/// Options of every worker. A flag goes before its environment variable.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Class of jobs to claim, as in `class` of the specification
    #[arg(long, env = "PENG_CLASS", default_value = "default")]
    pub class: String,

    /// Where checkpoints are: file:///path, or an object store's URL
    #[arg(long, env = "PENG_CHECKPOINTS", value_name = "URL")]
    pub checkpoints: Option<String>,

    /// Directory for files in the making [default: the system's temporary directory]
    #[arg(long, env = "PENG_SCRATCH", value_name = "DIR")]
    pub scratch: Option<PathBuf>,

    /// How long a job stays ours without a sign of life
    #[arg(long, env = "PENG_LEASE_TTL", value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub lease_ttl: Duration,

    /// How long a stopping worker may take to checkpoint and release its jobs
    #[arg(long, env = "PENG_GRACE", value_name = "SECONDS", default_value = "25", value_parser = seconds)]
    pub grace: Duration,

    /// How often to look for jobs, and dead workers' jobs, when there is nothing to do
    #[arg(long, env = "PENG_POLL", value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    pub poll: Duration,

    /// Leave after so many jobs
    #[arg(long, value_name = "N")]
    pub max_jobs: Option<u64>,

    /// Leave after so long without a job
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub idle_timeout: Option<Duration>,

    /// Leave when no job of the class is ready, waiting or running
    #[arg(long)]
    pub once: bool,

    /// What a training does when its lease could not be renewed for three quarters of its time to live
    #[arg(long, env = "PENG_ON_DB_LOST", value_name = "WHAT", default_value = "stop")]
    pub on_db_lost: OnDbLost,

    /// How long to wait for a database that is not reachable
    #[arg(long, env = "PENG_DB_PATIENCE", value_name = "SECONDS", default_value = "86400", value_parser = seconds)]
    pub db_patience: Duration,
}

/// What a training does when the database is silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnDbLost {
    /// Stop, and go on from the checkpoint once the lease is confirmed
    Stop,
    /// Train on, and let the fence decide
    FinishInterval,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let parsed = text
        .parse::<f64>()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    parsed
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "expected a number of seconds above 0".to_owned())
}

/// Sends logs to stderr; `PENG_LOG` or `RUST_LOG` chooses, `info` by default.
pub fn init_logs() {
    use tracing_subscriber::EnvFilter;
    let filter = std::env::var("PENG_LOG")
        .or_else(|_| std::env::var("RUST_LOG"))
        .unwrap_or_else(|_| "info".into());
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
}
