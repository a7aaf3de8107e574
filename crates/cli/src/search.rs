//! `peng search`.

use std::{
    io::{self, BufRead},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use clap::Subcommand;
use domain::{JobId, Ordinal, SearchId, TextReader};
use genome::Genome;
use search::{Scheduling, Spec, SpecError};
use serde::Serialize;
use store::{
    BoundedConnection, Stepwise as _,
    checkpoint::KeepCheckpoints,
    finish::{self, Ending},
    freeze::{self, RestartPrice},
    search::{self as searches, Finalist, Progress, Search, SearchState},
    worker as workers,
};

use crate::{
    db,
    exit::Exit,
    output::{self, Column, Format, duration, percent, short},
    retention,
    watch::{self, saved_percent},
};

/// What to do with searches
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a search and its first jobs into the queue
    Submit {
        /// Its specification
        #[arg(value_name = "SPEC.toml")]
        spec: PathBuf,
        /// Another name than that of the specification
        #[arg(long)]
        name: Option<String>,
        /// Architectures to begin with, one genome in JSON a line; `-` is standard input. The strategy adds to them up to
        /// the budget, `kind = "given"` nothing
        #[arg(long, value_name = "FILE.jsonl")]
        architectures: Option<PathBuf>,
        /// Only print what would be enqueued
        #[arg(long)]
        dry_run: bool,
    },
    /// Add architectures to a search, one genome in JSON a line; those that it has are left alone
    Add {
        /// Its name
        name: String,
        /// The genomes; `-` is standard input
        #[arg(value_name = "FILE.jsonl")]
        architectures: PathBuf,
    },
    /// What ended in a search, in the order of its endings; a job that is resumed ends again
    Results {
        /// Its name
        name: String,
        /// Only what ended after the line of this cursor
        #[arg(long, value_name = "CURSOR", default_value_t = Ordinal(0))]
        since: Ordinal,
    },
    /// Train the best of a search to the end: those of them that were terminated go on from their checkpoints
    Promote {
        /// Its name
        name: String,
        /// How many of the best
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        top: u32,
    },
    /// List searches
    List {
        /// Also those that are archived
        #[arg(long)]
        all: bool,
    },
    /// Show a search: its effective specification and where it stands
    Show {
        /// Its name
        name: String,
    },
    /// Follow a search until it is finished; exit code 3 if jobs failed
    Watch {
        /// Its name
        name: String,
        /// Give up after so long, with exit code 4
        #[arg(long, value_name = "SECONDS")]
        timeout: Option<u64>,
    },
    /// Change whose turn it is: searches of higher priority go first, equal ones share the workers; what runs goes on
    Set {
        /// Its name
        name: String,
        /// From -32768 to 32767; 0 is usual
        #[arg(
            long,
            value_name = "N",
            allow_negative_numbers = true,
            required_unless_present = "max_running"
        )]
        priority: Option<i16>,
        /// Let so many of its jobs run at once, or any number: `none`
        #[arg(long, value_name = "N|none")]
        max_running: Option<MaxRunning>,
    },
    /// Let no more jobs of a search be claimed; those that run go on
    Pause {
        /// Its name
        name: String,
    },
    /// Let a paused search go on
    Resume {
        /// Its name
        name: String,
    },
    /// End a search: cancel its open jobs
    Cancel {
        /// Its name
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Put an ended search away: it is not listed, and `peng db prune` leaves it alone
    Archive {
        /// Its name
        name: String,
        /// Whose checkpoints stay: `all`, `none`, or those of the `best:N` by fitness
        #[arg(long, value_name = "WHICH", default_value = "all", value_parser = retention::keep_checkpoints)]
        keep_checkpoints: KeepCheckpoints,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// List an archived search again
    Unarchive {
        /// Its name
        name: String,
    },
    /// Delete an ended search, with its jobs, curves and results
    Delete {
        /// Its name
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

/// How many jobs of a search may run at once, if that is limited.
#[derive(Debug, Clone, Copy)]
pub struct MaxRunning(Option<i32>);

impl std::str::FromStr for MaxRunning {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            _ if text == "none" => Ok(Self(None)),
            Ok(jobs @ 1..) => Ok(Self(Some(jobs))),
            _ => Err("expected a number of jobs from 1 on, or `none`"),
        }
    }
}

pub fn run(command: Command, format: Format) -> anyhow::Result<Exit> {
    match command {
        Command::Submit { spec, name, architectures, dry_run } => {
            let spec = named(Spec::read(&spec)?, name)?;
            let given = architectures.map_or_else(|| Ok(vec![]), |file| read_genomes(&file, &spec))?;
            submit(&spec, given, dry_run, format)?;
        }
        Command::Add { name, architectures } => add(&name, &architectures, format)?,
        Command::Results { name, since } => {
            let mut conn = db::connect()?;
            let id = find(&mut conn, &name)?.id;
            let endings = conn.step(|conn| finish::results(conn, id, since))?;
            if format == Format::Csv {
                return output::rows(format, &endings.iter().map(Line::from).collect::<Vec<_>>(), &[])
                    .map(|()| Exit::Ok);
            }
            output::rows(format, &endings, RESULTS)?;
        }
        Command::Promote { name, top } => promote(&name, top, format)?,
        Command::List { all } => {
            output::rows(format, &db::connect()?.step(|conn| searches::progress(conn, None, all))?, COLUMNS)?;
        }
        Command::Show { name } => show(&name, format)?,
        Command::Watch { name, timeout } => {
            let mut conn = db::connect()?;
            let search = find(&mut conn, &name)?;
            return watch::follow(&mut conn, &search, timeout.map(Duration::from_secs));
        }
        Command::Set { name, priority, max_running } => {
            let mut conn = db::connect()?;
            let id = find(&mut conn, &name)?.id;
            conn.step(|conn| searches::set(conn, id, priority, max_running.map(|most| most.0)))?;
            let Search { name, priority, max_running, .. } = conn.step(|conn| searches::get(conn, id))?;
            let limit = max_running.map_or_else(|| "any number".to_owned(), |most| most.to_string());
            let text = format!("search {name}: priority {priority}, {limit} of its jobs may run at once");
            let value =
                serde_json::json!({ "search": name, "priority": priority, "max_running": max_running });
            output::value(format, &value, &text)?;
        }
        Command::Pause { name } => {
            let mut conn = db::connect()?;
            let id = find(&mut conn, &name)?.id;
            match conn.step(|conn| searches::pause(conn, id))? {
                Some(count) => {
                    let text = format!("{count} jobs wait");
                    output::value(format, &serde_json::json!({ "paused": count }), &text)?;
                }
                None => unchanged(&mut conn, &name, "only a running search is paused", format)?,
            }
        }
        Command::Resume { name } => {
            let mut conn = db::connect()?;
            let id = find(&mut conn, &name)?.id;
            match conn.step(|conn| searches::resume(conn, id))? {
                Some(count) => {
                    let text = format!("{count} jobs are ready");
                    output::value(format, &serde_json::json!({ "ready": count }), &text)?;
                }
                None => unchanged(&mut conn, &name, "only a paused search is resumed", format)?,
            }
        }
        Command::Archive { name, keep_checkpoints, yes } => {
            let mut conn = db::connect()?;
            let search = find(&mut conn, &name)?;
            retention::archive(&mut conn, &search, keep_checkpoints, yes, format)?;
        }
        Command::Unarchive { name } => {
            let mut conn = db::connect()?;
            let id = find(&mut conn, &name)?.id;
            conn.step(|conn| store::retention::unarchive(conn, id))?;
            output::value(
                format,
                &serde_json::json!({ "search": name }),
                &format!("search {name} is listed"),
            )?;
        }
        Command::Delete { name, yes } => {
            let (mut conn, mut reading) = (db::connect()?, db::connect_for_long_reads()?);
            let search = find_any(&mut conn, &name)?;
            retention::delete(&mut conn, &mut reading, &search, yes, format)?;
        }
        Command::Cancel { name, yes } => {
            let mut conn = db::connect()?;
            let id = find(&mut conn, &name)?.id;
            output::confirm(&format!("cancel search {name}?"), yes)?;
            match conn.step(|conn| searches::cancel(conn, id))? {
                Some(cancelled) => {
                    let text = format!(
                        "{} jobs cancelled, {} asked to stop",
                        cancelled.at_once, cancelled.requested
                    );
                    output::value(format, &cancelled, &text)?;
                }
                None => unchanged(&mut conn, &name, "only a running or paused search is cancelled", format)?,
            }
        }
    }
    Ok(Exit::Ok)
}

/// Says that a command had nothing to do.
fn unchanged(conn: &mut BoundedConnection, name: &str, rule: &str, format: Format) -> anyhow::Result<()> {
    let state = format!("{:?}", find(conn, name)?.state).to_lowercase();
    let text = format!("nothing was changed: search {name} is {state} already, and {rule}");
    output::value(format, &serde_json::json!({ "unchanged": true, "state": state }), &text)
}

/// The search of this name, or the newest one for `last`; the error names the nearest one. One of which a part has been deleted
/// is none.
pub fn find(conn: &mut BoundedConnection, name: &str) -> anyhow::Result<Search> {
    let search = find_any(conn, name)?;
    if search.deleting_since.is_some() {
        let name = search.name;
        anyhow::bail!(
            "search `{name}` is being deleted: if that was interrupted, `peng search delete {name}` goes on"
        );
    }
    Ok(search)
}

fn find_any(conn: &mut BoundedConnection, name: &str) -> anyhow::Result<Search> {
    if let Some(search) = conn.step(|conn| searches::find(conn, name))? {
        return Ok(search);
    }
    if name == "last"
        && let Some(search) = conn.step(searches::newest)?
    {
        return Ok(search);
    }
    let names = conn.step(searches::names)?;
    let near = names.iter().map(|n| (strsim::damerau_levenshtein(n, name), n)).min();
    match near {
        Some((distance, near)) if distance <= 1 + name.len() / 3 => {
            anyhow::bail!("there is no search `{name}`: did you mean `{near}`?")
        }
        _ => anyhow::bail!("there is no search `{name}`: `peng search list` shows those that there are"),
    }
}

#[derive(Serialize)]
struct Submitted<'a> {
    search: &'a str,
    id: Option<SearchId>,
    jobs: usize,
    spec_hash: String,
}

fn named(spec: Spec, name: Option<String>) -> anyhow::Result<Spec> {
    name.map_or_else(|| Ok(spec.clone()), |name| spec.renamed(&name)).map_err(Into::into)
}

fn submit(spec: &Spec, given: Vec<Genome>, dry_run: bool, format: Format) -> anyhow::Result<()> {
    let jobs = search::first_jobs(spec, given)?;
    if dry_run {
        return output::rows(format, &jobs.iter().map(Planned::from).collect::<Vec<_>>(), PLANNED);
    }
    let mut conn = db::connect()?;
    let (id, count) = conn.step(|conn| search::submit(conn, spec, &jobs, Some(submitter())))?;
    let name = &spec.name;
    let text = format!("search {name}: {count} jobs enqueued\nfollow it with: peng search watch {name}");
    output::value(
        format,
        &Submitted { search: name, id: Some(id), jobs: count, spec_hash: spec.hash() },
        &text,
    )
}

/// Who runs this command: user and host of the operating system.
fn submitter() -> String {
    let uid = nix::unistd::getuid();
    let user = nix::unistd::User::from_uid(uid).ok().flatten();
    let user = user.map_or_else(|| uid.to_string(), |user| user.name);
    format!("{user}@{}", rustix::system::uname().nodename().to_string_lossy())
}

/// Reads genomes for a search; the error names file and line.
fn read_genomes(file: &Path, spec: &Spec) -> anyhow::Result<Vec<Genome>> {
    let (reader, name): (Box<dyn BufRead>, _) = if file == Path::new("-") {
        (Box::new(TextReader::new(io::stdin().lock())), "standard input".to_owned())
    } else {
        let open = TextReader::open(file).with_context(|| format!("cannot read `{}`", file.display()))?;
        (Box::new(open), file.display().to_string())
    };
    genome::read_genomes(reader, &spec.space, spec.input()).map_err(|error| {
        let place = format!("{name}:{}", error.line());
        anyhow::Error::new(error).context(place)
    })
}

#[derive(Serialize)]
struct Added {
    added: usize,
    known: usize,
}

fn add(name: &str, file: &Path, format: Format) -> anyhow::Result<()> {
    let mut conn = db::connect()?;
    let stored = find(&mut conn, name)?;
    if stored.state == SearchState::Cancelled {
        anyhow::bail!("search `{name}` is cancelled: nothing can be added to it");
    }
    let spec = Spec::from_json(&stored.spec).context("nothing can be added to it")?;
    let given = read_genomes(file, &spec)?;
    let count = given.len();
    let added = search::add(&mut conn, stored.id, &spec, &given)?;
    let known = count - added;
    let text = format!("{added} jobs added, {known} were there already");
    output::value(format, &Added { added, known }, &text)
}

fn promote(name: &str, top: u32, format: Format) -> anyhow::Result<()> {
    let mut conn = db::connect()?;
    let stored = find(&mut conn, name)?;
    Spec::from_json(&stored.spec).context("its jobs cannot be trained on")?;
    let best = conn.step(|conn| searches::promote(conn, stored.id, i64::from(top)))?;
    output::rows(format, &best, BEST)
}

/// A job that `--dry-run` would enqueue.
#[derive(Serialize)]
struct Planned {
    hash: String,
    mode: &'static str,
    parameters: i64,
    flops: i64,
    architecture: String,
}

impl From<&searches::NewJob> for Planned {
    fn from(job: &searches::NewJob) -> Self {
        Self {
            hash: short(&job.hash).to_owned(),
            mode: job.mode.as_str(),
            parameters: job.parameters,
            flops: job.flops,
            architecture: job.summary.clone(),
        }
    }
}

const PLANNED: &[Column<Planned>] = &[
    ("hash", |job| job.hash.clone()),
    ("mode", |job| job.mode.to_owned()),
    ("#parameters", |job| job.parameters.to_string()),
    ("#mflops", |job| format!("{:.1}", job.flops as f64 / 1e6)),
    ("architecture", |job| job.architecture.clone()),
];

const BEST: &[Column<Finalist>] = &[
    ("#job", |job| job.job_id.to_string()),
    ("#fitness", |job| format!("{:.2}", job.fitness)),
    ("was", |job| job.state.as_str().to_owned()),
    ("#after epoch", |job| format!("{:.1}", job.epochs)),
    ("promoted", |job| if job.promoted { "yes" } else { "no" }.to_owned()),
    ("architecture", |job| job.architecture.clone()),
];

/// An ending as CSV, where a genome is one field.
#[derive(Serialize)]
struct Line<'a> {
    cursor: Ordinal,
    job: JobId,
    hash: &'a str,
    outcome: &'static str,
    fitness: Option<f64>,
    fitness_source: Option<&'a str>,
    epochs: Option<f64>,
    genome: String,
}

impl<'a> From<&'a Ending> for Line<'a> {
    fn from(end: &'a Ending) -> Self {
        Self {
            cursor: end.cursor,
            job: end.job,
            hash: &end.hash,
            outcome: end.outcome.as_str(),
            fitness: end.fitness,
            fitness_source: end.fitness_source.as_deref(),
            epochs: end.epochs,
            genome: end.genome.to_string(),
        }
    }
}

const RESULTS: &[Column<Ending>] = &[
    ("#cursor", |end| end.cursor.to_string()),
    ("#job", |end| end.job.to_string()),
    ("hash", |end| short(&end.hash).to_owned()),
    ("outcome", |end| end.outcome.as_str().to_owned()),
    ("#fitness", |end| percent(end.fitness)),
    ("source", |end| end.fitness_source.clone().unwrap_or_default()),
    ("#epochs", |end| end.epochs.map_or_else(String::new, |epochs| format!("{epochs:.1}"))),
];

const COLUMNS: &[Column<Progress>] = &[
    ("search", |s| s.name.clone()),
    ("state", |s| match (s.deleting, s.archived) {
        (true, _) => "deleting".to_owned(),
        (_, true) => "archived".to_owned(),
        _ => format!("{:?}", s.state).to_lowercase(),
    }),
    ("engine", |s| s.engine.clone()),
    ("#jobs", |s| format!("{}/{}", s.terminated + s.completed + s.other, s.jobs)),
    ("#running", |s| s.running.to_string()),
    ("~#frozen", |s| s.frozen.to_string()),
    ("~#failed", |s| s.failed.to_string()),
    ("#saved", |s| percent(saved_percent(s)) + " %"),
    ("~#restarts", |s| s.restarts.to_string()),
    ("#best", |s| percent(s.best)),
    ("~#priority", |s| s.priority.to_string()),
    ("~#max running", |s| s.max_running.map_or_else(String::new, |most| most.to_string())),
    ("~submitted by", |s| s.submitted_by.clone().unwrap_or_default()),
    ("~#time", |s| duration(s.seconds)),
];

fn show(name: &str, format: Format) -> anyhow::Result<()> {
    let mut conn = db::connect()?;
    let search = find(&mut conn, name)?;
    if format == Format::Table {
        output::rows(
            format,
            &conn.step(|conn| searches::progress(conn, Some(&search.name), true))?,
            COLUMNS,
        )?;
        let mut spec = match Spec::from_json(&search.spec) {
            Ok(spec) => spec,
            Err(SpecError::Imported { .. }) => return show_import(&search, format),
            Err(error) => return Err(error.into()),
        };
        spec.search = Scheduling { priority: search.priority.into(), max_running: search.max_running };
        if search.state == SearchState::Running
            && let Some(why) = conn.step(|conn| workers::nobody_can_train(conn, &spec.class))?
        {
            output::value(format, &(), &format!("\n{why}"))?;
        }
        let price = conn.step(|conn| freeze::restart_price(conn, search.id))?;
        if let RestartPrice { resumed, epochs: Some(epochs) } = price {
            let text = format!(
                "\ntaking up a frozen job took {epochs:.1} epochs (median of {resumed}; `predictor.restart_epochs`)"
            );
            output::value(format, &(), &text)?;
        }
        let by = search.submitted_by.map_or_else(String::new, |by| format!(" by {by}"));
        let text = format!(
            "\nsubmitted{by}, spec {}, by peng {}\n\n{}",
            short(&search.spec_hash),
            search.version,
            toml::to_string(&spec)?
        );
        return output::value(format, &(), &text);
    }
    output::rows(format, &[search], &[])
}

/// What was said of imported curves, which have no specification to train by.
fn show_import(search: &Search, format: Format) -> anyhow::Result<()> {
    let said = toml::to_string(&search.spec)?;
    output::value(format, &(), &format!("\nimported by peng {}\n\n{said}", search.version))
}
