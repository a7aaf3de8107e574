//! Connections: where the database is, within which times it has to answer, and errors that never show a password.

use diesel::{
    Connection as _, PgConnection, RunQueryDsl as _,
    connection::{AnsiTransactionManager, CacheSize, TransactionManager as _},
    result::Error,
    sql_query,
};
use domain::default_home;
use local_postgres::Server;

use crate::{
    client,
    conninfo::{ConnInfo, ConnInfoError},
};

/// Time-outs of every connection, in libpq's keywords; each may be given another value in the connection string. With them a
/// host that vanished is noticed within a minute.
const CONNECTION: &[(&str, &str)] = &[
    ("connect_timeout", "10"),
    ("keepalives_idle", "30"),
    ("keepalives_interval", "10"),
    ("keepalives_count", "3"),
    ("tcp_user_timeout", "30000"),
    // PGAPPNAME goes before it.
    ("fallback_application_name", "peng"),
];
/// Time-outs that the server keeps; each may be given another value in `options` of the connection string. With them a client
/// that is frozen within a transaction holds its locks no longer than this.
const SESSION: [(&str, &str); 3] =
    [("statement_timeout", "60s"), ("lock_timeout", "10s"), ("idle_in_transaction_session_timeout", "15s")];

/// Those of what may take as long as it takes and locks nothing that others need.
pub const LONG_READS: [(&str, &str); 3] =
    [("statement_timeout", "0"), ("lock_timeout", "10s"), ("idle_in_transaction_session_timeout", "10min")];

/// Why there is no connection. The text of the server is kept; the connection string, which may hold a password, is not.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Neither `DATABASE_URL` nor a private server.
    #[error("no database: set DATABASE_URL, or start a private Postgres with `peng db up`")]
    NotConfigured,
    /// The connection string is none.
    #[error(transparent)]
    Malformed(#[from] ConnInfoError),
    /// The server refuses this user, password or database: while nobody changes them, trying again does not help.
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
    /// Whether the same attempt may succeed later without anybody changing a setting.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}

/// Where the database is. Shows itself without its password.
#[derive(Clone, Debug)]
pub struct Database {
    info: ConnInfo,
    is_private: bool,
}

/// Whoever asks the database one thing after the other, and holds nothing in between.
pub trait Stepwise {
    /// Does one thing: a statement, or several that belong together.
    ///
    /// # Errors
    /// Those of `work`, and of the database.
    fn step<T, E: From<Error>>(
        &mut self,
        work: impl FnOnce(&mut PgConnection) -> Result<T, E>,
    ) -> Result<T, E>;
}

/// A session that has its time-outs already.
impl Stepwise for PgConnection {
    fn step<T, E: From<Error>>(
        &mut self,
        work: impl FnOnce(&mut PgConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        work(self)
    }
}

/// A connection of which no statement is without time-outs. Behind a pooler, where other clients may get the session between two
/// transactions and nothing can be set in it, each step is a transaction that brings along those that its role has not.
#[expect(missing_debug_implementations, reason = "a session has nothing to show")]
pub struct BoundedConnection {
    conn: PgConnection,
    /// What a transaction begins with; none in a session of this client's own.
    begin: Option<String>,
}

impl BoundedConnection {
    /// The session itself, for what bounds its own transactions.
    pub fn into_inner(self) -> PgConnection {
        self.conn
    }
}

impl Stepwise for BoundedConnection {
    fn step<T, E: From<Error>>(
        &mut self,
        work: impl FnOnce(&mut PgConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        let Self { conn, begin: Some(begin) } = self else { return work(&mut self.conn) };
        AnsiTransactionManager::begin_transaction_sql(conn, begin)?;
        let done = work(conn);
        match done {
            Ok(_) => AnsiTransactionManager::commit_transaction(conn)?,
            // What went wrong first is what matters; a session that cannot roll back is lost with its transaction.
            Err(_) => _ = AnsiTransactionManager::rollback_transaction(conn),
        }
        done
    }
}

/// SQL that gives the transaction that runs it those of some time-outs which its session and its role have not.
pub fn local_time_outs(time_outs: &[(&str, &str)]) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let ours: Vec<_> =
        time_outs.iter().map(|(name, value)| format!("({}, {})", quoted(name), quoted(value))).collect();
    format!(
        "SELECT set_config(name, value, true) FROM (VALUES {}) AS ours (name, value) WHERE current_setting(name) = '0'",
        ours.join(", ")
    )
}

impl Database {
    /// A database by its libpq URL or key-value string.
    ///
    /// # Errors
    /// [`ConnectError::Malformed`].
    pub fn new(text: impl AsRef<str>) -> Result<Self, ConnectError> {
        let mut info = ConnInfo::parse(text.as_ref())?;
        for (keyword, value) in CONNECTION {
            info.set_default(keyword, value);
        }
        Ok(Self { info, is_private: false })
    }

    /// `DATABASE_URL` if it is set, else the private server of `peng db up` if there is one.
    ///
    /// # Errors
    /// [`ConnectError::NotConfigured`] where neither is there, [`ConnectError::Malformed`].
    pub fn from_env() -> Result<Self, ConnectError> {
        match std::env::var("DATABASE_URL") {
            Ok(url) if !url.trim().is_empty() => Self::new(url),
            _ => {
                let server = Server::at(default_home());
                if !server.exists() {
                    return Err(ConnectError::NotConfigured);
                }
                Ok(Self { is_private: true, ..Self::new(server.url())? })
            }
        }
    }

    /// Whether it is the private server of this machine, which no other host reaches.
    pub fn is_private(&self) -> bool {
        self.is_private
    }

    /// For what may take as long as it takes and locks nothing that others need, such as reports: no statement is ended by a
    /// time-out, and a transaction may pause for ten minutes.
    pub fn for_long_reads(mut self) -> Self {
        let options = self.info.get("options").unwrap_or_default();
        let unlike = LONG_READS.iter().filter(|long| !SESSION.contains(long));
        let longer = unlike.map(|(name, value)| format!("-c {name}={value}")).collect::<Vec<_>>().join(" ");
        self.info.set("options", format!("{options} {longer}").trim());
        self
    }

    /// The parts of the connection string.
    pub(crate) fn info(&self) -> &ConnInfo {
        &self.info
    }

    /// Opens a connection. Where sessions are surely not shared, statements may be prepared in it, and its time-outs are those
    /// of the connection string.
    ///
    /// # Errors
    /// [`ConnectError::Refused`] for a wrong user, password or database name, [`ConnectError::Unreachable`] else.
    pub fn connect(&self) -> Result<PgConnection, ConnectError> {
        self.open().map(BoundedConnection::into_inner)
    }

    /// Opens a connection and finds out whether a pooler such as PgBouncer stands before the database: one refuses the settings
    /// of a session, or does not pass them on.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub fn open(&self) -> Result<BoundedConnection, ConnectError> {
        let mut direct = self.info.clone();
        direct.set("options", self.options());
        let established = match PgConnection::establish(&direct.to_dsn()) {
            Err(error) if error.to_string().contains("unsupported startup parameter") => {
                let mut bare = direct;
                bare.retain(|keyword| keyword != "options");
                PgConnection::establish(&bare.to_dsn())
            }
            established => established,
        };
        let mut conn = established.map_err(|error| self.explain(&error.to_string()))?;
        let own =
            sql_query("SELECT 1 WHERE current_setting('peng.session', true) = 'own'").execute(&mut conn);
        let pooled = own.map_err(|error| self.explain(&error.to_string()))? == 0;
        if pooled {
            conn.set_prepared_statement_cache_size(CacheSize::Disabled);
        }
        Ok(BoundedConnection { conn, begin: pooled.then(|| self.begin()) })
    }

    /// Begins a transaction with the time-outs, in one round trip.
    fn begin(&self) -> String {
        let time_outs = self.time_outs();
        format!(
            "BEGIN; {}",
            local_time_outs(&time_outs.each_ref().map(|(name, value)| (*name, value.as_str())))
        )
    }

    /// Settings of a session of this client's own: those of the connection string, and the time-outs that it does not name.
    pub(crate) fn options(&self) -> String {
        let given = self.info.get("options").unwrap_or_default();
        let unnamed = SESSION.iter().filter(|(name, _)| setting(given, name).is_none());
        let defaults = unnamed.fold(String::new(), |text, (name, value)| format!("{text} -c {name}={value}"));
        format!("{given}{defaults} -c peng.session=own").trim().to_owned()
    }

    /// Time-outs that the server is to keep: those of the connection string before our own.
    fn time_outs(&self) -> [(&'static str, String); 3] {
        let given = self.info.get("options").unwrap_or_default();
        SESSION.map(|(name, ours)| (name, setting(given, name).unwrap_or(ours).to_owned()))
    }

    fn explain(&self, message: &str) -> ConnectError {
        let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
        if sounds_refused(&message) || client::is_refused(&self.info, &self.options()) {
            ConnectError::Refused { message }
        } else {
            ConnectError::Unreachable { message }
        }
    }
}

/// The last value that `options` such as `-c name=value --name=value` give a setting.
fn setting<'a>(options: &'a str, name: &str) -> Option<&'a str> {
    let words = options.split_whitespace().map(|word| word.trim_start_matches("-c").trim_start_matches("--"));
    words.filter_map(|word| word.split_once('=')).rfind(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Whether libpq repeats that the server refuses who asks, or what for. libpq gives no code, and a server may speak another
/// language: then the code of its answer to the other client tells.
fn sounds_refused(message: &str) -> bool {
    let refusals = ["password authentication failed", "no password supplied", "no pg_hba.conf entry"];
    refusals.iter().any(|words| message.contains(words))
        || message.contains("FATAL") && message.contains("does not exist")
}

impl std::fmt::Display for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.info.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection as _;

    use super::*;

    #[test]
    fn no_password_in_any_message() {
        for (url, why) in [
            ("postgres://u:s3cret@127.0.0.1:1/db", "user part"),
            ("postgres://127.0.0.1:1/db?user=u&password=s3cret", "parameter"),
            ("host=127.0.0.1 port=1 password='s3cret word' dbname=x", "key-value, quoted"),
            ("postgras://u:s3cret@127.0.0.1:1/db", "libpq repeats what it cannot parse"),
        ] {
            let said = match Database::new(url) {
                Err(error) => vec![format!("{error}"), format!("{error:?}")],
                Ok(database) => {
                    let error = database.connect().err().expect("nothing listens on port 1");
                    vec![
                        format!("{database}"),
                        format!("{database:?}"),
                        format!("{error}"),
                        format!("{error:?}"),
                    ]
                }
            };
            assert!(said.iter().all(|text| !text.contains("s3cret")), "{why}: {said:?}");
        }
    }

    /// Behind a pooler nothing is set in a session; a step brings its time-outs along, but for those that its role has.
    #[test]
    fn a_step_in_a_shared_session_has_time_outs_and_those_of_the_role_win() {
        let test = testing::TestDatabase::new();
        let shared = |database: &Database| {
            let conn = PgConnection::establish(&test.url()).unwrap();
            BoundedConnection { conn, begin: Some(database.begin()) }
        };
        let setting = |conn: &mut PgConnection, name: &str| {
            diesel::select(diesel::dsl::sql::<diesel::sql_types::Text>(&format!("current_setting('{name}')")))
                .get_result::<String>(conn)
                .unwrap()
        };
        let settings = |conn: &mut PgConnection| SESSION.map(|(name, _)| setting(conn, name));
        for (database, expected, why) in [
            (Database::new(test.url()).unwrap(), ["1min", "3s", "15s"], "the defaults"),
            (Database::new(test.url()).unwrap().for_long_reads(), ["0", "3s", "10min"], "of long reads"),
            (
                Database::new(format!("{}&options=-c%20statement_timeout%3D5s", test.url())).unwrap(),
                ["5s", "3s", "15s"],
                "of the connection string",
            ),
        ] {
            let mut conn = shared(&database);
            conn.conn.batch_execute("SET lock_timeout = '3s'").unwrap();
            for _ in 0..2 {
                let within = conn.step(|conn| Ok::<_, Error>(settings(conn))).unwrap();
                assert_eq!(within, expected, "{why}");
                assert_eq!(settings(&mut conn.conn), ["0", "3s", "0"], "they go with the transaction");
                let failed = conn.step(|conn| conn.batch_execute("CREATE TABLE t (); SELECT 1 / 0"));
                assert!(failed.is_err() && conn.conn.batch_execute("SELECT FROM job").is_ok(), "rolled back");
                assert!(conn.conn.batch_execute("SELECT FROM t").is_err(), "rolled back");
            }
        }
    }

    #[test]
    fn unreachable_is_retried_and_malformed_is_not() {
        let error = Database::new("postgres://127.0.0.1:1/db").unwrap().connect().err().unwrap();
        assert!(error.is_retryable(), "{error}");
        let error = Database::new("postgras://x").err().unwrap();
        assert!(!error.is_retryable(), "{error}");
    }

    #[test]
    fn time_outs_are_there_unless_the_connection_string_has_its_own() {
        let options = |url: &str| Database::new(url).unwrap().options();
        let url = "postgres://h/db";
        assert!(options(url).contains("-c lock_timeout=10s"), "{}", options(url));
        let url = "postgres://h/db?options=-c%20lock_timeout%3D3s&connect_timeout=2";
        assert!(
            options(url).contains("lock_timeout=3s") && !options(url).contains("10s"),
            "{}",
            options(url)
        );
        let info = Database::new(url).unwrap();
        assert_eq!(info.time_outs()[1], ("lock_timeout", "3s".to_owned()), "behind a pooler, too");
        assert_eq!(setting("-c deadlock_timeout=1s", "lock_timeout"), None, "another setting");
        assert_eq!(
            (info.info().get("connect_timeout"), info.info().get("tcp_user_timeout")),
            (Some("2"), Some("30000"))
        );
        let patient = Database::new(url).unwrap().for_long_reads().options();
        assert!(patient.contains("statement_timeout=0") && !patient.contains("60s"), "{patient}");
    }
}
