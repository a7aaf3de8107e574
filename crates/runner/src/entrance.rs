//! What a worker does before its first job: it finds the database and its checkpoint store, and enters its name.

use std::{sync::Arc, sync::atomic::AtomicBool, sync::atomic::Ordering, time::Duration};

use anyhow::Context as _;
use checkpoint::CheckpointStore;
use diesel::{PgConnection, QueryResult};
use domain::OnceAMinute;
use store::{Database, DbError, Session, migration, worker::NewWorker};
use tracing::warn;
use uuid::Uuid;

use crate::{Options, context::WorkerContext, scratch::Scratch};

/// Pause before the next look at a checkpoint store that is away.
const AGAIN: Duration = Duration::from_millis(500);

/// A worker that has entered, or what it was asked to leave before.
pub enum Entered {
    /// It may work; its scratch directory goes with the second value.
    Ready(Box<WorkerContext>, Scratch),
    /// It was asked to leave before this could be reached.
    Left(&'static str),
}

/// Finds everything that a worker needs. Waits for what is away, and says so once a minute; what waiting cannot mend is an error.
///
/// # Errors
/// A database that refuses or stays away, a schema that does not fit, a checkpoint store that cannot be written or is not the
/// one of this database.
pub fn enter(options: Options, device: String, caught: &Arc<AtomicBool>) -> anyhow::Result<Entered> {
    let stop = || caught.load(Ordering::Relaxed);
    let database = Database::from_env()?;
    let mut session = Session::new(database.clone());
    let entered = session.enter(options.db_patience, &stop).context("cannot start the worker")?;
    if entered.is_none() {
        return Ok(Entered::Left("database"));
    }
    let Some(identity) = ask(&mut session, &stop, |conn| {
        migration::check(conn)?;
        Ok(store::identity(conn)?)
    })?
    else {
        return Ok(Entered::Left("database"));
    };
    let Some(checkpoints) = open_checkpoints(&options, identity, database.is_private(), &mut session, &stop)?
    else {
        return Ok(Entered::Left("checkpoint store"));
    };
    let scratch = Scratch::new(options.scratch.as_deref())?;
    let worker = NewWorker {
        id: Uuid::new_v4(),
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        pid: std::process::id() as i32,
        class: options.class.clone(),
        device,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    if ask(&mut session, &stop, |conn| worker.register(conn).context("cannot register the worker"))?.is_none()
    {
        return Ok(Entered::Left("database"));
    }
    tracing::info!(
        "worker {}: class {}, device {}, database {database}",
        worker.id,
        worker.class,
        worker.device
    );
    let path = scratch.path().to_owned();
    let mut context = WorkerContext::new(database, options, checkpoints, worker.id, path);
    context.signalled = Arc::clone(caught);
    Ok(Entered::Ready(Box::new(context), scratch))
}

/// Asks something of the database, over as many connections as it takes. `None`: asked to leave meanwhile.
fn ask<T>(
    session: &mut Session,
    stop: &dyn Fn() -> bool,
    question: impl Fn(&mut PgConnection) -> anyhow::Result<T>,
) -> anyhow::Result<Option<T>> {
    let parted = |conn: &mut PgConnection| -> QueryResult<anyhow::Result<T>> {
        match question(conn) {
            // What the session was lost with is asked again.
            Err(error) if diesel::RunQueryDsl::execute(diesel::sql_query("SELECT 1"), conn).is_err() => {
                Err(diesel::result::Error::QueryBuilderError(error.into()))
            }
            answer => Ok(answer),
        }
    };
    match session.run(stop, parted) {
        Ok(answer) => answer.map(Some),
        Err(DbError::Stopped) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Opens the store, waits until it takes something, and checks that it is the one that all workers of the database use.
/// `None`: asked to leave meanwhile.
fn open_checkpoints(
    options: &Options,
    identity: Uuid,
    database_is_private: bool,
    session: &mut Session,
    stop: &dyn Fn() -> bool,
) -> anyhow::Result<Option<CheckpointStore>> {
    let checkpoints = CheckpointStore::open(options.checkpoints.as_deref(), identity, database_is_private)?;
    let mut said = OnceAMinute::default();
    while !stop() {
        let usable = checkpoints.probe(stop).map_err(anyhow::Error::from);
        let usable = usable.context("the checkpoint store cannot be written");
        let known = match usable {
            Ok(()) => is_known(&checkpoints, session, stop),
            Err(error) => Err(error),
        };
        match known {
            Ok(true) => return Ok(Some(checkpoints)),
            Ok(false) => break,
            Err(error) if is_outage(&error) => {
                if said.is_due() {
                    warn!("{error:#}; trying again");
                }
                std::thread::sleep(AGAIN);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn is_outage(error: &anyhow::Error) -> bool {
    error
        .chain()
        .find_map(|cause| cause.downcast_ref::<checkpoint::CheckpointError>())
        .is_some_and(checkpoint::CheckpointError::is_outage)
}

/// Marks the store as the one of this database where it knows none yet, and checks that it is that one. False: asked to leave.
fn is_known(
    checkpoints: &CheckpointStore,
    session: &mut Session,
    stop: &dyn Fn() -> bool,
) -> anyhow::Result<bool> {
    let Some(known) = ask(session, stop, |conn| Ok(store::known_store(conn)?))? else { return Ok(false) };
    let known = if let Some(known) = known {
        known
    } else {
        let marker = checkpoints.mark(stop)?;
        let Some(kept) = ask(session, stop, |conn| Ok(store::claim_store(conn, &marker)?))? else {
            return Ok(false);
        };
        kept
    };
    checkpoints.verify(&known, stop)?;
    Ok(true)
}
