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
    Summary(One),
    /// Epochs and device time trained and saved, throughput, when the predictor decided
    Savings(One),
    /// Predicted against true rank beside two baselines, with bootstrap intervals
    Ranking(One),
    /// Error, bias, coverage and width of the predictions by epoch of decision
    Calibration(One),
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
        Command::Summary(one) if format == Format::Html => {
            let conns = [conn, &mut db::connect_for_reports()?];
            write(&report::page(conns, &one.search, &one.how.filter()?)?, format, one.how.to)?;
        }
        Command::Summary(one) => {
            write(&report::summary(conn, &one.search, &one.how.filter()?)?, format, one.how.to)?;
        }
        Command::Savings(one) => {
            write(&report::savings(conn, &one.search, &one.how.filter()?)?, format, one.how.to)?;
        }
        Command::Ranking(one) => {
            write(&report::ranking(conn, &one.search, &one.how.filter()?)?, format, one.how.to)?;
        }
        Command::Calibration(one) => {
            write(&report::calibration(conn, &one.search, &one.how.filter()?)?, format, one.how.to)?;
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
