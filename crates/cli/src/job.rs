//! `peng job`.

use clap::Subcommand;
use domain::JobId;
use store::{
    BoundedConnection, Stepwise as _,
    attempt::{self, AttemptRow},
    job::{self, JobRow, JobState, Selector},
};

use crate::{
    db,
    exit::Exit,
    output::{self, Column, Format, percent},
};

/// What to do with jobs. JOBS is `last`, a number, a range, or a list of them: `3-9,12`
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List jobs
    List {
        /// Only those of this search
        #[arg(long, value_name = "NAME")]
        search: Option<String>,
        /// Only those in these states
        #[arg(long, value_name = "STATE", value_delimiter = ',', value_parser = state)]
        state: Vec<JobState>,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 1000)]
        limit: i64,
    },
    /// Show jobs: their curve, what the predictor said, their attempts, and what comes next
    Show {
        /// Which
        #[arg(value_name = "JOBS")]
        jobs: Selector,
    },
    /// Show how the attempts at jobs ended, with the last lines of the log where it was by an error
    Log {
        /// Which
        #[arg(value_name = "JOBS")]
        jobs: Selector,
    },
    /// Let jobs be claimed earlier or later: higher is first, 0 is usual
    Priority {
        /// Which
        #[arg(value_name = "JOBS")]
        jobs: Selector,
        /// From -32768 to 32767
        #[arg(value_name = "N", allow_negative_numbers = true)]
        priority: i16,
    },
    /// Make failed, diverged or cancelled jobs ready again; they go on from their newest checkpoint
    Retry {
        /// Which
        #[arg(value_name = "JOBS")]
        jobs: Selector,
    },
    /// Cancel jobs; those that run stop within an interval
    Cancel {
        /// Which
        #[arg(value_name = "JOBS")]
        jobs: Selector,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

fn state(text: &str) -> Result<JobState, String> {
    serde_json::from_value(text.into()).map_err(|error: serde_json::Error| error.to_string())
}

const COLUMNS: &[Column<JobRow>] = &[
    ("#job", |job| job.id.to_string()),
    ("search", |job| job.search.clone()),
    ("state", |job| job.state.as_str().to_owned()),
    ("~mode", |job| job.mode.as_str().to_owned()),
    ("#epoch", |job| job.epoch.map_or_else(String::new, |epoch| format!("{epoch:.1}"))),
    ("#val_acc", |job| percent(job.val_acc)),
    ("#predicted", |job| percent(job.prediction)),
    ("~#crashes", |job| job.crashes.to_string()),
    ("where", |job| job.host.clone().unwrap_or_default()),
    ("architecture", |job| job.architecture.clone()),
];

pub fn run(command: Command, format: Format) -> anyhow::Result<Exit> {
    let mut conn = db::connect()?;
    match command {
        Command::List { search, state, limit } => {
            let search =
                search.map(|name| crate::search::find(&mut conn, &name)).transpose()?.map(|search| search.id);
            output::rows(format, &conn.step(|conn| job::list(conn, search, &state, None, limit))?, COLUMNS)?;
        }
        Command::Show { jobs } => {
            let ids = resolve(&mut conn, &jobs)?;
            let shown =
                ids.iter().map(|id| conn.step(|conn| job::show(conn, *id))).collect::<Result<Vec<_>, _>>()?;
            match format {
                Format::Table => shown.iter().try_for_each(|job| output::value(format, &(), &text(job)))?,
                Format::Csv => output::rows(format, &shown.iter().map(Line::from).collect::<Vec<_>>(), &[])?,
                _ => output::rows(format, &shown, &[])?,
            }
        }
        Command::Log { jobs } => {
            let mut attempts = Vec::new();
            for id in resolve(&mut conn, &jobs)? {
                attempts.extend(conn.step(|conn| attempt::of_job(conn, id))?);
            }
            if format == Format::Table {
                attempts.iter().try_for_each(|attempt| output::value(format, &(), &log(attempt)))?;
            } else {
                output::rows(format, &attempts, &[])?;
            }
        }
        Command::Priority { jobs, priority } => {
            let ids = resolve(&mut conn, &jobs)?;
            let count = conn.step(|conn| job::set_priority(conn, &ids, priority))?;
            let text = match ids.len() - count {
                0 => format!("{count} jobs have priority {priority}"),
                ended => format!("{count} jobs have priority {priority}; {ended} have ended"),
            };
            output::value(format, &serde_json::json!({ "changed": count, "priority": priority }), &text)?;
        }
        Command::Retry { jobs } => {
            let ids = resolve(&mut conn, &jobs)?;
            let count = conn.step(|conn| job::retry(conn, &ids))?;
            let text = match ids.len() - count {
                0 => format!("{count} jobs are ready again"),
                others => format!(
                    "{count} jobs are ready again; {others} were left alone: only failed, diverged and cancelled jobs of searches that peng trains are retried"
                ),
            };
            output::value(format, &serde_json::json!({ "ready": count }), &text)?;
        }
        Command::Cancel { jobs, yes } => {
            let ids = resolve(&mut conn, &jobs)?;
            output::confirm(&format!("cancel {} jobs?", ids.len()), yes)?;
            let cancelled = conn.step(|conn| job::cancel(conn, &ids))?;
            let job::Cancelled { at_once, requested } = cancelled;
            let text = match ids.len() as i64 - at_once - requested {
                0 => format!("{at_once} cancelled, {requested} asked to stop"),
                others => format!(
                    "{at_once} cancelled, {requested} asked to stop; {others} were left alone: they have ended, or were asked before"
                ),
            };
            output::value(format, &cancelled, &text)?;
        }
    }
    Ok(Exit::Ok)
}

fn resolve(conn: &mut BoundedConnection, jobs: &Selector) -> anyhow::Result<Vec<JobId>> {
    let ids = conn.step(|conn| jobs.resolve(conn))?;
    if ids.is_empty() {
        anyhow::bail!("there is no such job: `peng job list` shows those that there are");
    }
    Ok(ids)
}

/// A job in one line of CSV, which has no room for its curve (`peng curve export`) and attempts (`peng job log`).
#[derive(serde::Serialize)]
struct Line<'a> {
    job: JobId,
    search: &'a str,
    state: JobState,
    attempts: i16,
    crashes: i16,
    epoch: Option<f64>,
    val_acc: Option<f64>,
    prediction: Option<f64>,
    host: Option<&'a str>,
    next: &'a str,
    error: Option<&'a str>,
}

impl<'a> From<&'a job::JobDetail> for Line<'a> {
    fn from(shown: &'a job::JobDetail) -> Self {
        let job = &shown.job;
        Self {
            job: job.id,
            search: &job.search,
            state: job.state,
            attempts: job.attempts,
            crashes: job.crashes,
            epoch: job.epoch,
            val_acc: job.val_acc,
            prediction: job.prediction,
            host: job.host.as_deref(),
            next: &shown.next,
            error: shown.error.as_deref(),
        }
    }
}

/// How an attempt ended, then the lines of its log, indented.
fn log(attempt: &AttemptRow) -> String {
    let end = attempt.end.as_deref().unwrap_or("runs");
    let at = attempt.ended_at.map_or_else(String::new, |at| at.format(", %F %T UTC").to_string());
    let error = attempt.error.as_deref().map_or_else(String::new, |error| format!(": {error}"));
    let head =
        format!("job {}, fence {}, on {}: {end}{at}{error}", attempt.job_id, attempt.fence, attempt.worker);
    let lines = attempt.log.iter().flat_map(|log| log.lines()).map(|line| format!("    {line}"));
    std::iter::once(head).chain(lines).collect::<Vec<_>>().join("\n")
}

fn text(shown: &job::JobDetail) -> String {
    let job = &shown.job;
    let mut lines = vec![
        format!("job {} of search {}: {} ({})", job.id, job.search, job.state.as_str(), job.mode.as_str()),
        format!("architecture  {}", job.architecture),
        format!("next          {}", shown.next),
    ];
    if let Some(error) = &shown.error {
        lines.push(format!("error         {error}"));
    }
    let points = shown.curve.iter().map(|p| {
        let interval =
            p.low_80.zip(p.high_80).map_or_else(String::new, |(low, high)| format!("{low:.2} to {high:.2}"));
        let decision =
            p.decision.map_or("", |d| if d == store::curve::Decision::Stop { "stop" } else { "continue" });
        vec![
            format!("{:.1}", p.epoch),
            format!("{:.2}", p.val_acc),
            percent(p.train_acc),
            percent(p.prediction),
            interval,
            decision.to_owned(),
            p.reason.clone().unwrap_or_default(),
        ]
    });
    let headings = ["#epoch", "#val_acc", "~#train_acc", "#predicted", "#80 %", "decision", "reason"];
    lines.push(format!("\n{}\n", output::table(&headings, points.collect())));
    let attempts = shown.attempts.iter().map(|a| {
        vec![
            a.fence.to_string(),
            a.worker.clone(),
            a.started_at.format("%F %T").to_string(),
            a.first_step.map_or_else(String::new, |step| step.to_string()),
            a.end.clone().unwrap_or_else(|| "runs".to_owned()),
            a.error.clone().unwrap_or_default(),
        ]
    });
    let headings = ["#fence", "worker", "started", "~#first step", "end", "error"];
    lines.push(output::table(&headings, attempts.collect()));
    lines.join("\n")
}
