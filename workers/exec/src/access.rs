//! What a program gets to see of its worker. docs/security.md says what each of these is worth.

use std::io;

use clap::Args;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};

use crate::{
    environment::{Environment, Pattern},
    user::User,
};

/// What a program may know and be.
#[derive(Debug, Clone, Args)]
pub struct Access {
    /// Environment variables that programs get beside PATH, HOME, the locale, and those of Python, GPUs, thread pools and
    /// Slurm: names, or beginnings of names and `*`. Never DATABASE_URL, PG* and AWS_*, unless named so
    #[arg(long, env = "PENG_PASS_ENV", value_name = "NAME|PREFIX*", value_delimiter = ',')]
    pass_env: Vec<Pattern>,

    /// Run programs as another user, who cannot read what the worker reads; the worker has to be root
    #[arg(long, env = "PENG_PROGRAM_USER", value_name = "NAME[:GROUP]")]
    user: Option<String>,
}

impl Access {
    /// The user that programs run as, if it is another than that of the worker.
    pub fn user(&self) -> anyhow::Result<Option<User>> {
        self.user.as_deref().map(User::find).transpose()
    }

    /// What programs get of the worker's environment.
    pub fn environment(&self, user: Option<&User>) -> Environment {
        let mut environment = Environment::of_worker(&self.pass_env);
        if let Some(user) = user {
            user.describe(&mut environment);
        }
        environment
    }
}

/// Keeps the environment and the memory of this process from other processes of its user, which could else read the
/// database's password there. They are root's to read, and there is no core dump.
pub fn hide() -> io::Result<()> {
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}
