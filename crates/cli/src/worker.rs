//! `peng worker`.

use clap::{Args, Subcommand};
use store::{
    Stepwise as _,
    attempt::AttemptRow,
    worker::{self, Selector, WorkerRow, WorkerState},
};

use crate::{
    db,
    exit::Exit,
    output::{self, Column, Format, duration},
};

/// What to do with worker processes
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List workers and what they train
    List {
        /// Also those that have left, and those that were not seen for a day and train nothing
        #[arg(long)]
        all: bool,
    },
    /// Show workers: who they are, and their newest attempts
    Show {
        /// An id, as far as it is unique, or the beginning that several share
        #[arg(value_name = "ID")]
        id: String,
        /// At most so many attempts
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: i64,
    },
    /// Ask workers that run now to finish their jobs and leave; those that are started later work
    Drain(Which),
    /// Take a drain back: workers that have not left yet claim jobs again
    Undrain(Which),
}

/// Workers that a command is for
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Which {
    /// Their ids, as far as they are unique
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Those of this host that were seen within a day
    #[arg(long, value_name = "H")]
    host: Option<String>,
    /// All that were seen within a day
    #[arg(long)]
    all: bool,
}

impl From<Which> for Selector {
    fn from(which: Which) -> Self {
        match which.host {
            Some(host) => Self::Host(host),
            None if which.all => Self::All,
            None => Self::Ids(which.ids),
        }
    }
}

const COLUMNS: &[Column<WorkerRow>] = &[
    ("worker", |w| w.id.to_string()[..8].to_owned()),
    ("host", |w| format!("{}:{}", w.host, w.pid)),
    ("~class", |w| w.class.clone()),
    ("device", |w| w.device.clone()),
    ("state", |w| state(w).to_owned()),
    ("#seen", |w| format!("{} ago", duration(w.silent_seconds))),
    ("#job", |w| w.job_id.map_or_else(String::new, |id| id.to_string())),
    ("~#attempts", |w| w.attempts.to_string()),
    ("~#crashes", |w| w.crashes.to_string()),
    ("fault", |w| w.fault.clone().unwrap_or_default()),
];

/// A worker that is silent for two minutes and has not said goodbye has been killed or cut off.
fn state(worker: &WorkerRow) -> &'static str {
    match worker.state {
        WorkerState::Stopped => "stopped",
        _ if worker.silent_seconds > 120.0 => "silent",
        WorkerState::Running if worker.fault.is_some() => "steps aside",
        WorkerState::Running => "running",
        WorkerState::Draining => "draining",
    }
}

pub fn run(command: Command, format: Format) -> anyhow::Result<Exit> {
    let mut conn = db::connect()?;
    match command {
        Command::List { all } => output::rows(format, &conn.step(|conn| worker::list(conn, all))?, COLUMNS)?,
        Command::Show { id, limit } => {
            let shown = conn.step(|conn| worker::show(conn, &id, limit))?;
            anyhow::ensure!(
                !shown.is_empty(),
                "there is no worker whose id begins with `{id}`: `peng worker list --all` shows those that there are"
            );
            match format {
                Format::Table => shown.iter().try_for_each(show)?,
                Format::Csv => {
                    let attempts: Vec<_> = shown.iter().flat_map(|shown| &shown.attempts).collect();
                    output::rows(format, &attempts, &[])?;
                }
                _ => output::rows(format, &shown, &[])?,
            }
        }
        Command::Drain(which) => {
            let which = which.into();
            let count = conn.step(|conn| worker::drain(conn, &which))?;
            let text = match count {
                0 => "nothing was changed: no such worker claims jobs".to_owned(),
                count => format!("{count} workers finish their jobs and leave"),
            };
            output::value(format, &serde_json::json!({ "draining": count, "unchanged": count == 0 }), &text)?;
        }
        Command::Undrain(which) => {
            let which = which.into();
            let count = conn.step(|conn| worker::undrain(conn, &which))?;
            let text = match count {
                0 => "nothing was changed: no such worker is draining".to_owned(),
                count => format!("{count} workers claim jobs again, if they have not left yet"),
            };
            output::value(format, &serde_json::json!({ "running": count, "unchanged": count == 0 }), &text)?;
        }
    }
    Ok(Exit::Ok)
}

fn show(shown: &worker::WorkerDetail) -> anyhow::Result<()> {
    output::rows(Format::Table, &shown.worker, COLUMNS)?;
    let id = shown.worker[0].id;
    output::value(Format::Table, &(), &format!("\nworker {id}, newest attempts first\n"))?;
    output::rows(
        Format::Table,
        &shown.attempts,
        &[
            ("#job", |a: &AttemptRow| a.job_id.to_string()),
            ("#fence", |a| a.fence.to_string()),
            ("started", |a| a.started_at.format("%F %T").to_string()),
            ("ended", |a| a.ended_at.map_or_else(String::new, |at| at.format("%F %T").to_string())),
            ("end", |a| a.end.clone().unwrap_or_else(|| "runs".to_owned())),
            ("error", |a| a.error.clone().unwrap_or_default()),
        ],
    )
}
