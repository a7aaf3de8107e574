//! Connections: where the database is, and errors that never show a password.

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use diesel::{Connection as _, PgConnection, connection::CacheSize};
use domain::{OnceAMinute, default_home};
use local_postgres::Server;

/// Why there is no connection. The text of the server is kept; the URL, which may hold a password, is not.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Neither `DATABASE_URL` nor a private server.
    #[error("no database: set DATABASE_URL, or start a private Postgres with `peng db up`")]
    NotConfigured,
    /// The server refuses this user or this password: trying again does not help.
    #[error("the database refuses the connection: {message}")]
    Refused {
        /// What the server said.
        message: String,
    },
    /// The server is not reachable now.
    #[error("cannot reach the database: {message}")]
    Unreachable {
        /// What libpq said.
        message: String,
    },
}

impl ConnectError {
    /// Whether the same attempt may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}

/// Where the database is. Shows itself without its password.
#[derive(Clone)]
pub struct Database {
    url: String,
    /// Whether sessions are surely not shared, so that statements may be prepared in them.
    direct: bool,
}

impl Database {
    /// A database by its libpq URL or key-value string.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), direct: false }
    }

    /// `DATABASE_URL` if it is set, else the private server of `peng db up` if there is one.
    ///
    /// # Errors
    /// [`ConnectError::NotConfigured`] where neither is there.
    pub fn from_env() -> Result<Self, ConnectError> {
        match std::env::var("DATABASE_URL") {
            Ok(url) if !url.trim().is_empty() => Ok(Self::new(url)),
            _ => {
                let server = Server::at(default_home());
                server.exists().then(|| Self::new(server.url())).ok_or(ConnectError::NotConfigured)
            }
        }
    }

    /// The URL with its password, for a library that connects by itself. Never print it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Looks whether a pooler such as PgBouncer stands before the database. Where none does, connections opened from
    /// now on prepare their statements once, which makes them several times cheaper; else, and before, none is
    /// prepared, since behind a pooler each transaction may get another session. For what runs long.
    pub fn detect_pooler(mut self) -> Self {
        self.direct = crate::listen::session(&self).is_ok();
        self
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// [`ConnectError::Refused`] for a wrong user, password or database name, [`ConnectError::Unreachable`] else.
    pub fn connect(&self) -> Result<PgConnection, ConnectError> {
        let mut conn =
            PgConnection::establish(&self.url).map_err(|error| self.explain(&error.to_string()))?;
        if !self.direct {
            conn.set_prepared_statement_cache_size(CacheSize::Disabled);
        }
        Ok(conn)
    }

    /// Opens a connection, trying again while the server is not reachable, with a pause that doubles from 0.1 s to
    /// 10 s, for at most `patience` or until `leave` is set. `report` is called at the first failure and then once a
    /// minute.
    ///
    /// # Errors
    /// The last error, at once if it is not retryable.
    pub fn connect_patiently(
        &self,
        patience: Duration,
        leave: &AtomicBool,
        mut report: impl FnMut(&ConnectError),
    ) -> Result<PgConnection, ConnectError> {
        let start = Instant::now();
        let mut pause = Duration::from_millis(100);
        let mut reported = OnceAMinute::default();
        loop {
            match self.connect() {
                Ok(connection) => return Ok(connection),
                Err(error) if error.is_retryable() && start.elapsed() + pause <= patience => {
                    if reported.is_due() {
                        report(&error);
                    }
                    if !sleep(pause.mul_f64(rand::random_range(0.5..1.0)), leave) {
                        return Err(error);
                    }
                    pause = (pause * 2).min(Duration::from_secs(10));
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn explain(&self, message: &str) -> ConnectError {
        let message = self.redact(message).split_whitespace().collect::<Vec<_>>().join(" ");
        if sounds_final(&message) || crate::listen::is_refused(self) {
            ConnectError::Refused { message }
        } else {
            ConnectError::Unreachable { message }
        }
    }

    /// libpq repeats a URL that it cannot parse: neither it nor its password may reach a log.
    fn redact(&self, message: &str) -> String {
        let message = message.replace(&self.url, "DATABASE_URL");
        match password(&self.url) {
            Some(secret) if !secret.is_empty() => message.replace(secret, "***"),
            _ => message,
        }
    }
}

/// Whether libpq's text says that it cannot go better next time. libpq gives no code; what it says by itself is English, what
/// it repeats of a server may be in any language.
fn sounds_final(message: &str) -> bool {
    let final_words =
        ["password", "authentication", "does not exist", "no pg_hba.conf", "invalid", "missing"];
    final_words.iter().any(|word| message.contains(word)) && !message.contains("No such file")
}

/// Sleeps for `pause`, unless `leave` is set: then it returns `false`, within a tenth of a second.
fn sleep(pause: Duration, leave: &AtomicBool) -> bool {
    let end = Instant::now() + pause;
    while !leave.load(Ordering::Relaxed) {
        match end.checked_duration_since(Instant::now()) {
            Some(left) => std::thread::sleep(left.min(Duration::from_millis(100))),
            None => return true,
        }
    }
    false
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({self})")
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match password(&self.url) {
            Some(secret) if !secret.is_empty() => f.write_str(&self.url.replace(secret, "***")),
            _ => f.write_str(&self.url),
        }
    }
}

/// The password in `scheme://user:password@host`, `?password=…` or `password=…`.
fn password(url: &str) -> Option<&str> {
    if let Some((_, rest)) = url.split_once("password=") {
        return rest.split(['&', ' ']).next().map(|value| value.trim_matches('\''));
    }
    let (_, rest) = url.split_once("://")?;
    let (credentials, _) = rest.rsplit_once('@')?;
    credentials.split_once(':').map(|(_, secret)| secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_in_any_message() {
        for (url, why) in [
            ("postgres://u:s3cret@127.0.0.1:1/db", "user part"),
            ("postgres://127.0.0.1:1/db?user=u&password=s3cret", "parameter"),
            ("host=127.0.0.1 port=1 password=s3cret dbname=x", "key-value"),
            ("postgras://u:s3cret@127.0.0.1:1/db", "libpq repeats what it cannot parse"),
        ] {
            let database = Database::new(url);
            let error = database.connect().err().expect("nothing listens on port 1");
            for text in
                [format!("{database}"), format!("{database:?}"), format!("{error}"), format!("{error:?}")]
            {
                assert!(!text.contains("s3cret"), "{why}: {text}");
            }
        }
    }

    #[test]
    fn unreachable_is_retried_and_refused_is_not() {
        let error = Database::new("postgres://127.0.0.1:1/db").connect().err().unwrap();
        assert!(error.is_retryable(), "{error}");
        let error = Database::new("postgras://x").connect().err().unwrap();
        assert!(!error.is_retryable(), "{error}");
    }
}
