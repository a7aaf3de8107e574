//! `peng db`: a private Postgres, or the one that `DATABASE_URL` names.

use std::time::Duration;

use anyhow::Context as _;
use clap::Subcommand;
use diesel::PgConnection;
use local_postgres::Server;
use serde::Serialize;
use store::{BoundedConnection, Database, SchemaError, Stepwise as _, lease, maintenance, migration};

use crate::{
    exit::Exit,
    garbage,
    output::{self, Format},
    retention,
};

/// How long `peng db up` tries to migrate.
const PATIENCE: Duration = Duration::from_secs(60);

/// What to do with the database
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a private Postgres in the user's data directory, on a socket, and migrate it
    Up,
    /// Stop the private Postgres; its data stay
    Down,
    /// Say which database is used, whether it answers, and whether its schema fits
    Status,
    /// Bring the schema of the database to this version, while workers run
    Migrate {
        /// How long to try where other sessions use the tables that have to change; each try holds them up for two seconds at most
        #[arg(long, value_name = "SECONDS", default_value_t = 600)]
        patience: u64,
    },
    /// Take back the jobs of dead workers now, as any worker does by itself
    Reap {
        /// Only say which
        #[arg(long)]
        dry_run: bool,
    },
    /// After the database was restored from a backup, or a standby that had lost commits was promoted: take every running job
    /// from its worker, wherever that is, so that nothing of what the database has forgotten is written into it
    Fence {
        /// Raise the fences of all running jobs by a thousand and make the jobs ready again
        #[arg(long, required = true)]
        bump: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Delete what ended long ago: searches that are not archived, logs of attempts, events, workers
    Prune {
        /// How long ago: 90d, 12h
        #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
        older_than: Duration,
        /// Only say how much that is
        #[arg(long)]
        dry_run: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Delete checkpoints that nothing points to, left by workers that died, and those that were discarded long enough ago;
    /// never one that is in use
    Gc {
        /// Where checkpoints are, as for workers
        #[arg(long, env = "PENG_CHECKPOINTS", value_name = "URL")]
        checkpoints: Option<String>,
        /// Also those of attempts that this database does not know: only where no copy of it uses the store
        #[arg(long)]
        unknown: bool,
        /// How long discarded checkpoints stay, in case the database is restored to a state that needs them
        #[arg(long, value_name = "AGE", default_value = "2d", value_parser = humantime::parse_duration)]
        grace: Duration,
        /// Only say which
        #[arg(long)]
        dry_run: bool,
        /// Delete without asking
        #[arg(long)]
        yes: bool,
    },
}

pub fn run(command: Command, format: Format) -> anyhow::Result<Exit> {
    match command {
        Command::Up => up(format)?,
        Command::Down => down(format)?,
        Command::Status => return status(format),
        Command::Migrate { patience } => migrate(Duration::from_secs(patience), format)?,
        Command::Reap { dry_run } => reap(dry_run, format)?,
        Command::Fence { bump: _, yes } => bump_fences(yes, format)?,
        Command::Prune { older_than, dry_run, yes } => {
            let (mut conn, mut reading) = (connect()?, connect_for_long_reads()?);
            retention::prune(&mut conn, &mut reading, older_than, dry_run, yes, format)?;
        }
        Command::Gc { checkpoints, unknown, grace, dry_run, yes } => {
            let options = garbage::GcOptions { unknown, grace, dry_run, yes };
            garbage::collect(&mut connect()?, checkpoints.as_deref(), &options, format)?;
        }
    }
    Ok(Exit::Ok)
}

/// Connects to a database whose schema fits.
pub fn connect() -> anyhow::Result<BoundedConnection> {
    open(&Database::from_env()?)
}

/// Connects for what may take as long as it takes.
pub fn connect_for_long_reads() -> anyhow::Result<BoundedConnection> {
    open(&Database::from_env()?.for_long_reads())
}

/// Connects for a report, which bounds its own transactions.
pub fn connect_for_reports() -> anyhow::Result<PgConnection> {
    connect_for_long_reads().map(BoundedConnection::into_inner)
}

fn open(database: &Database) -> anyhow::Result<BoundedConnection> {
    let mut conn = database.open().map_err(|error| match Server::at(domain::default_home()).status() {
        Ok(local_postgres::Status::Down) if std::env::var_os("DATABASE_URL").is_none() => {
            anyhow::anyhow!("the private Postgres does not run: start it with `peng db up`")
        }
        _ => error.into(),
    })?;
    conn.step(migration::check)?;
    Ok(conn)
}

#[derive(Serialize)]
struct Up {
    started: bool,
    url: String,
    migrations: usize,
}

fn up(format: Format) -> anyhow::Result<()> {
    if std::env::var_os("DATABASE_URL").is_some_and(|url| !url.is_empty()) {
        anyhow::bail!(
            "DATABASE_URL is set, so peng uses that database: `peng db migrate` prepares it; unset it to use a private one"
        );
    }
    let private = Server::at(domain::default_home());
    let started = private.up()?;
    let mut conn = Database::new(private.url())?.connect().context("the private Postgres was started")?;
    let migrations = migration::migrate(&mut conn, PATIENCE)?.len();
    let url = private.url();
    let text = format!(
        "private Postgres {} in {}\nurl: {url}{}",
        if started { "started" } else { "runs already" },
        private.home().display(),
        if migrations > 0 { format!("\n{migrations} migrations done") } else { String::new() },
    );
    output::value(format, &Up { started, url, migrations }, &text)
}

#[derive(Serialize)]
struct Down {
    stopped: bool,
}

fn down(format: Format) -> anyhow::Result<()> {
    let private = Server::at(domain::default_home());
    let stopped = private.down()?;
    let text = if stopped { "private Postgres stopped" } else { "private Postgres was not running" };
    output::value(format, &Down { stopped }, text)
}

#[derive(Serialize)]
struct Status {
    database: Option<String>,
    private_server: String,
    answers: bool,
    schema: String,
}

/// Exit code 1 where the database cannot be used.
fn status(format: Format) -> anyhow::Result<Exit> {
    let private = Server::at(domain::default_home());
    let private_server = match private.status()? {
        local_postgres::Status::Absent => "none".to_owned(),
        local_postgres::Status::Down => format!("stopped, in {}", private.home().display()),
        local_postgres::Status::Up(pid) => format!("runs as process {pid}, in {}", private.home().display()),
    };
    let database = Database::from_env();
    let conn =
        database.as_ref().map_err(ToString::to_string).and_then(|d| d.open().map_err(|e| e.to_string()));
    let (answers, schema) = match conn {
        Ok(mut conn) => (true, schema(&conn.step(migration::check))),
        Err(error) => (false, error),
    };
    let database = database.ok().map(|database| database.to_string());
    let text = format!(
        "database        {}\nanswers         {}\nschema          {schema}\nprivate server  {private_server}",
        database.as_deref().unwrap_or("none"),
        if answers { "yes" } else { "no" },
    );
    let fits = schema == FITS;
    output::value(format, &Status { database, private_server, answers, schema }, &text)?;
    if fits { Ok(Exit::Ok) } else { anyhow::bail!("the database cannot be used") }
}

const FITS: &str = "fits this version";

fn schema(check: &Result<(), SchemaError>) -> String {
    check.as_ref().map_or_else(ToString::to_string, |()| FITS.to_owned())
}

#[derive(Serialize)]
struct Migrated {
    migrations: Vec<String>,
}

fn migrate(patience: Duration, format: Format) -> anyhow::Result<()> {
    let mut conn = Database::from_env()?.connect()?;
    let migrations = migration::migrate(&mut conn, patience)?;
    let text = match migrations.as_slice() {
        [] => "the schema is up to date".to_owned(),
        done => format!("migrated: {}", done.join(", ")),
    };
    if format == Format::Table {
        output::value(format, &(), &text)
    } else {
        output::rows(format, &[Migrated { migrations }], &[])
    }
}

fn reap(dry_run: bool, format: Format) -> anyhow::Result<()> {
    let mut conn = connect()?;
    let reaped = if dry_run { conn.step(maintenance::expired)? } else { maintenance::reap_once(&mut conn)? };
    output::rows(
        format,
        &reaped,
        &[
            ("job", |job| job.job_id.to_string()),
            ("worker", |job| job.worker_id.to_string()),
            ("crashes", |job| job.crashes.to_string()),
            ("losses", |job| job.losses.to_string()),
            ("state", |job| job.state.as_str().to_owned()),
        ],
    )
}

fn bump_fences(yes: bool, format: Format) -> anyhow::Result<()> {
    let mut conn = connect()?;
    output::confirm("take every running job from its worker?", yes)?;
    output::rows(
        format,
        &conn.step(lease::bump_fences)?,
        &[
            ("#job", |job| job.job_id.to_string()),
            ("#fence", |job| job.fence.to_string()),
            ("state", |job| job.state.as_str().to_owned()),
        ],
    )
}
