//! `peng report`.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use report::{Filter, Output, Report, Style};

use crate::{db, exit::Exit, output::Format};

/// Reports on searches; every one takes `--output table|json|csv|html`
#[derive(Debug, Subcommand)]
pub enum Command {
    /// A search in one screen; as html, one page with the figures of every report
    Summary(Judged),
    /// Epochs, device time and wall time beside those of training all to the end, restarts, when the predictor stops
    Savings(Judged),
    /// Predicted against true rank beside two baselines, with intervals
    Ranking(Judged),
    /// Error, bias, coverage and width of the predictions by epoch of decision
    Calibration(Judged),
    /// Fitness against FLOPs and parameters, with the hypervolume
    Pareto(One),
    /// Two searches side by side, as one with and one without termination, with tests
    Compare {
        /// Name of the first search
        first: String,
        /// Name of the second search
        second: String,
        #[command(flatten)]
        how: How,
    },
    /// Use, idle time, crashes and retries of the workers
    Workers(One),
    /// One job: its curve, each prediction with its interval, the decision, its attempts
    Job {
        /// Number of the job
        #[arg(value_name = "ID")]
        id: i64,
        /// Write to this file instead of standard output
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
}

/// One search, judged by what a terminating search does
#[derive(Debug, Args)]
pub struct Judged {
    #[command(flatten)]
    one: One,
    /// Workers of the terminating search that is simulated where the search observes and jobs are judged by each other
    #[arg(long, value_name = "N", default_value_t = 1)]
    workers: usize,
}

/// One search, and how it is reported on
#[derive(Debug, Args)]
pub struct One {
    /// Name of the search
    search: String,
    #[command(flatten)]
    how: How,
}

/// Which jobs, and where the report goes
#[derive(Debug, Args)]
pub struct How {
    /// Only jobs that ended since, or not yet: `90m`, `12h`, `7d`, `2026-11-24`, `2026-11-24T08:30:00Z`
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only jobs for which this holds, as `parameters<1000000` or `outcome=completed`; may be repeated
    #[arg(long = "where", value_name = "CONDITION")]
    conditions: Vec<String>,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

impl How {
    fn filter(&self) -> anyhow::Result<Filter> {
        Ok(Filter::parse(self.since.as_deref(), &self.conditions)?)
    }
}

pub fn run(command: Command, format: Format) -> anyhow::Result<Exit> {
    let conn = &mut db::connect_for_reports()?;
    match command {
        Command::Summary(Judged { one, workers }) if format == Format::Html => {
            let conns = [conn, &mut db::connect_for_reports()?];
            write(&report::page(conns, &one.search, &one.how.filter()?, workers)?, format, one.how.to)?;
        }
        Command::Summary(Judged { one, workers }) => {
            write(&report::summary(conn, &one.search, &one.how.filter()?, workers)?, format, one.how.to)?;
        }
        Command::Savings(Judged { one, workers }) => {
            write(&report::savings(conn, &one.search, &one.how.filter()?, workers)?, format, one.how.to)?;
        }
        Command::Ranking(Judged { one, workers }) => {
            write(&report::ranking(conn, &one.search, &one.how.filter()?, workers)?, format, one.how.to)?;
        }
        Command::Calibration(Judged { one, workers }) => {
            write(&report::calibration(conn, &one.search, &one.how.filter()?, workers)?, format, one.how.to)?;
        }
        Command::Pareto(one) => {
            write(&report::pareto(conn, &one.search, &one.how.filter()?)?, format, one.how.to)?;
        }
        Command::Compare { first, second, how } => {
            write(
                &report::compare([conn, &mut db::connect_for_reports()?], &first, &second, &how.filter()?)?,
                format,
                how.to,
            )?;
        }
        Command::Workers(one) => {
            write(&report::workers(conn, &one.search, &one.how.filter()?)?, format, one.how.to)?;
        }
        Command::Job { id, to } => write(&report::job(conn, id)?, format, to)?,
    }
    Ok(Exit::Ok)
}

/// Writes a report to a file or to standard output, as wide as the terminal.
pub fn write(report: &impl Report, format: Format, to: Option<PathBuf>) -> anyhow::Result<()> {
    let output = match format {
        Format::Table => Output::Table,
        Format::Json => Output::Json,
        Format::Jsonl => anyhow::bail!("a report is no list: --output json writes it whole"),
        Format::Csv => Output::Csv,
        Format::Html => Output::Html,
    };
    if let Some(path) = to {
        let file = File::create(&path).with_context(|| format!("cannot write `{}`", path.display()))?;
        let mut out = BufWriter::new(file);
        report.write(output, Style::default(), &mut out)?;
        out.flush().with_context(|| format!("cannot write `{}`", path.display()))?;
        return Ok(());
    }
    let mut out = BufWriter::new(stdio::stdout());
    report.write(output, Style::of_stdout(), &mut out)?;
    out.flush()?;
    Ok(())
}
