//! The one place that connects, times out, tells errors apart and backs off, for whatever has to be written however long the
//! database is away.

use std::time::{Duration, Instant};

use diesel::{
    PgConnection, QueryResult,
    result::{DatabaseErrorKind, Error},
};
use domain::{OnceAMinute, chain};
use tracing::{info, warn};

use crate::{
    ConnectError, Database,
    connection::{BoundedConnection, Stepwise as _},
};

/// Pauses between two tries: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));
/// How often a pause looks whether it should go on.
const LOOK: Duration = Duration::from_millis(50);

/// Why a statement was not done.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// It is wrong, and is refused each time: a constraint, or something that is not there.
    #[error("the database does not take it")]
    Rejected(#[source] Error),
    /// The database could not do it now.
    #[error("the database is away: {0}")]
    Unavailable(String),
    /// Whoever asked no longer waits.
    #[error("given up before the database answered")]
    Stopped,
}

/// Whether an error is the statement's own: all others may pass, however long that takes. A full disk, a deadlock, a time-out,
/// a server that starts, stops or only reads, a password that was changed, and a pooler that is away are none of them.
fn is_rejected(error: &Error) -> bool {
    use DatabaseErrorKind::{CheckViolation, ForeignKeyViolation, NotNullViolation, UniqueViolation};
    matches!(
        error,
        Error::DatabaseError(UniqueViolation | ForeignKeyViolation | CheckViolation | NotNullViolation, _)
            | Error::NotFound
    )
}

/// A session that outlives its connections.
pub struct Session {
    database: Database,
    connected: Option<BoundedConnection>,
    away: Option<Away>,
    said: OnceAMinute,
}

/// An outage, from its first failure on.
struct Away {
    since: Instant,
    is_said: bool,
}

impl Session {
    /// A session that connects when it is first used.
    pub fn new(database: Database) -> Self {
        Self { database, connected: None, away: None, said: OnceAMinute::default() }
    }

    /// Whether it has a connection, as far as it knows.
    pub fn is_connected(&self) -> bool {
        self.connected.is_some()
    }

    /// The database that it asks.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Does work that may safely be repeated, over as many connections as it takes, with pauses that double up to ten seconds;
    /// a sentence a minute says what it waits for. An error of the caller's own leaves `work` as a value.
    ///
    /// # Errors
    /// [`DbError::Rejected`], and [`DbError::Stopped`] once `stop` says so.
    pub fn run<T>(
        &mut self,
        stop: &dyn Fn() -> bool,
        mut work: impl FnMut(&mut PgConnection) -> QueryResult<T>,
    ) -> Result<T, DbError> {
        self.run_in_steps(stop, |conn| conn.step(&mut work))
    }

    /// As [`Self::run`], for work that thinks between statements: behind a pooler, too, nothing is locked meanwhile.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn run_in_steps<T>(
        &mut self,
        stop: &dyn Fn() -> bool,
        mut work: impl FnMut(&mut BoundedConnection) -> QueryResult<T>,
    ) -> Result<T, DbError> {
        let mut pause = PAUSES.0;
        loop {
            match self.attempt_in_steps(&mut work) {
                Err(DbError::Unavailable(_)) => {}
                done => return done,
            }
            if !sleep(pause.mul_f64(rand::random_range(0.5..1.0)), stop) {
                return Err(DbError::Stopped);
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Does work once, and connects for it if need be. After an error that is not the work's own the connection is dropped: its
    /// server may be the wrong one.
    ///
    /// # Errors
    /// [`DbError::Rejected`] and [`DbError::Unavailable`].
    pub fn attempt<T>(
        &mut self,
        work: impl FnOnce(&mut PgConnection) -> QueryResult<T>,
    ) -> Result<T, DbError> {
        self.attempt_in_steps(|conn| conn.step(work))
    }

    fn attempt_in_steps<T>(
        &mut self,
        work: impl FnOnce(&mut BoundedConnection) -> QueryResult<T>,
    ) -> Result<T, DbError> {
        let connected = match self.connected.take() {
            Some(connected) => Ok(connected),
            None => self.database.open(),
        };
        let mut connected = connected.map_err(|error| self.unavailable(&error))?;
        match work(&mut connected) {
            Err(error) if !is_rejected(&error) => Err(self.unavailable(&error)),
            done => {
                self.connected = Some(connected);
                if let Some(away) = self.away.take().filter(|away| away.is_said) {
                    info!("the database answers again after {:.1} s", away.since.elapsed().as_secs_f64());
                }
                done.map_err(DbError::Rejected)
            }
        }
    }

    /// Connects for the first time, when a refusal is an error and not an outage.
    ///
    /// # Errors
    /// Those of [`Database::connect`] that do not pass, at once; `None` once `stop` says so.
    pub fn enter(&mut self, patience: Duration, stop: &dyn Fn() -> bool) -> Result<Option<()>, ConnectError> {
        let start = Instant::now();
        let mut pause = PAUSES.0;
        loop {
            match self.database.open() {
                Ok(connected) => {
                    self.connected = Some(connected);
                    self.away = None;
                    return Ok(Some(()));
                }
                Err(error) if error.is_retryable() && start.elapsed() + pause <= patience => {
                    self.unavailable(&error);
                }
                Err(error) => return Err(error),
            }
            if !sleep(pause.mul_f64(rand::random_range(0.5..1.0)), stop) {
                return Ok(None);
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Notes a failure. The first one of an outage is not said: it is how an old connection ended, and often a new one mends
    /// it. What the second one says is why the outage lasts.
    fn unavailable(&mut self, error: &dyn std::error::Error) -> DbError {
        let error = chain(error);
        match &mut self.away {
            None => self.away = Some(Away { since: Instant::now(), is_said: false }),
            Some(away) if self.said.is_due() => {
                warn!("{error}; trying again");
                away.is_said = true;
            }
            Some(_) => {}
        }
        DbError::Unavailable(error)
    }
}

/// Sleeps for `pause`; false once `stop` says so.
fn sleep(pause: Duration, stop: &dyn Fn() -> bool) -> bool {
    let end = Instant::now() + pause;
    while !stop() {
        match end.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => std::thread::sleep(left.min(LOOK)),
            _ => return true,
        }
    }
    false
}
