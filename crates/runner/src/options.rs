//! What a worker is told on the command line or by the environment; the same for every kind of worker.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

/// Options of every worker. A flag goes before its environment variable.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Class of jobs to claim, as in `class` of the specification
    #[arg(long, env = "PENG_CLASS", default_value = "default")]
    pub class: String,

    /// Where checkpoints are: file:///path or s3://bucket/prefix, with AWS_ACCESS_KEY_ID, AWS_ENDPOINT and so on in the
    /// environment [default: the directory `checkpoints` beside the private database]
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

    /// Leave after so long in all: no job is claimed that could not checkpoint, and what runs is released in time
    /// [default: what Slurm says, if it does]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub time_limit: Option<Duration>,

    /// Another signal that asks to leave, beside TERM, INT and QUIT: USR1 or USR2, as Slurm's --signal sends
    #[arg(long, env = "PENG_PREEMPT_SIGNAL", value_name = "SIGNAL")]
    pub preempt_signal: Option<PreemptSignal>,

    /// Exit code after a signal asked to leave
    #[arg(long, env = "PENG_REQUEUE_EXIT_CODE", value_name = "CODE", default_value_t = 0)]
    pub requeue_exit_code: u8,

    /// A training is taken for hung after ten of its longest intervals, but not before so long; the worker then ends
    /// itself, so that a supervisor starts it anew
    #[arg(long, env = "PENG_HANG_AFTER", value_name = "SECONDS", default_value = "600", value_parser = seconds)]
    pub hang_after: Duration,

    /// Leave with exit code 69 after so many attempts in a row that this host could not train: its data, program, device or
    /// scratch directory are missing or broken. Until then the worker steps aside for longer after each, and no job is harmed
    #[arg(long, env = "PENG_HOST_FAULTS", value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub host_faults: u32,

    /// Leave after so long without a job
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub idle_timeout: Option<Duration>,

    /// Leave when no job of the class is ready, waiting or running
    #[arg(long)]
    pub once: bool,

    /// What a training does when its lease could not be renewed for three quarters of its time to live
    #[arg(long, env = "PENG_ON_DB_LOST", value_name = "WHAT", default_value = "stop")]
    pub on_db_lost: OnDbLost,

    /// Serve metrics for Prometheus on this address, such as 127.0.0.1:9464, at /metrics [default: serve nothing]
    #[arg(long, env = "PENG_METRICS", value_name = "ADDRESS")]
    pub metrics: Option<std::net::SocketAddr>,

    /// How long to wait for a database that is not reachable when the worker starts; later it waits as long as it takes
    #[arg(long, env = "PENG_DB_PATIENCE", value_name = "SECONDS", default_value = "86400", value_parser = seconds)]
    pub db_patience: Duration,
}

impl Options {
    /// `--time-limit`, else the time that Slurm leaves this job.
    pub fn time_limit(&self) -> Option<Duration> {
        self.time_limit.or_else(|| {
            let end: u64 = std::env::var("SLURM_JOB_END_TIME").ok()?.parse().ok()?;
            #[expect(clippy::disallowed_methods, reason = "Slurm tells the end of its job by the wall clock")]
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok()?;
            Some(Duration::from_secs(end).saturating_sub(now))
        })
    }
}

/// What a training does when the database is silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnDbLost {
    /// Stop, and go on from the checkpoint once the lease is confirmed
    Stop,
    /// Train on, and let the fence decide
    FinishInterval,
}

/// Signals that batch systems send before they end a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PreemptSignal {
    /// SIGUSR1
    #[value(name = "USR1", alias = "usr1")]
    Usr1,
    /// SIGUSR2
    #[value(name = "USR2", alias = "usr2")]
    Usr2,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    parsed
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "expected a number of seconds above 0".to_owned())
}
