//! Hearing of new jobs at once, on a connection of its own. Polling finds them too, a moment later: a listener that
//! cannot connect (PgBouncer in transaction mode passes no notifications on) costs nothing but that moment.

use std::time::Duration;

use openssl::ssl::{SslConnector, SslFiletype, SslMethod, SslVerifyMode};
use postgres::{Client, config::SslMode, fallible_iterator::FallibleIterator as _};
use postgres_openssl::MakeTlsConnector;
use url::Url;

use crate::{Database, search::CHANNEL};

/// Why there is no listener. None of them holds a password.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The server does not answer, or the connection was lost.
    #[error("cannot listen for new jobs: {0}")]
    Postgres(#[from] postgres::Error),
    /// A certificate cannot be used.
    #[error("cannot listen for new jobs: {0}")]
    Tls(#[from] openssl::error::ErrorStack),
    /// PgBouncer, or another pooler that gives each transaction any session.
    #[error(
        "cannot listen for new jobs: a connection pooler stands before the database and passes no notifications on"
    )]
    Pooled,
    /// Only URLs are understood, not libpq's key-value strings.
    #[error("cannot listen for new jobs: DATABASE_URL is not a URL")]
    NotUrl,
}

/// Listens for new jobs of one class.
pub struct Listener {
    client: Client,
    class: String,
}

impl Listener {
    /// Connects and registers. Jobs that were enqueued before are not announced: look at the queue afterwards.
    ///
    /// # Errors
    /// [`ListenError`]; polling goes on without.
    pub fn connect(database: &Database, class: &str) -> Result<Self, ListenError> {
        let mut client = session(database)?;
        client.batch_execute(&format!("LISTEN {CHANNEL}"))?;
        Ok(Self { client, class: class.to_owned() })
    }

    /// Waits for a new job of the class, at most so long; whether there was one.
    ///
    /// # Errors
    /// [`ListenError::Postgres`] when the connection is lost.
    pub fn wait(&mut self, timeout: Duration) -> Result<bool, ListenError> {
        let mut notifications = self.client.notifications();
        let mut waiting = notifications.timeout_iter(timeout);
        while let Some(notification) = waiting.next()? {
            if notification.payload() == self.class {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// A session that is surely this client's alone: it begins with a setting that a pooler refuses or does not pass on.
pub(crate) fn session(database: &Database) -> Result<Client, ListenError> {
    let (url, tls) = Tls::split(database.url())?;
    let mut config: postgres::Config = url.as_str().parse()?;
    let options = format!("{} -c peng.session=own", config.get_options().unwrap_or_default());
    config
        .options(options.trim())
        .ssl_mode(tls.mode())
        .application_name("peng listen")
        .connect_timeout(Duration::from_secs(10));
    let mut client = config.connect(tls.connector()?).map_err(|error| {
        let refused =
            error.as_db_error().is_some_and(|e| e.message().contains("unsupported startup parameter"));
        if refused { ListenError::Pooled } else { error.into() }
    })?;
    // Not a prepared statement: a pooler might pass its parts to different sessions.
    let answer = client.simple_query("SELECT current_setting('peng.session', true)")?;
    let own = answer.iter().any(
        |message| matches!(message, postgres::SimpleQueryMessage::Row(row) if row.get(0) == Some("own")),
    );
    if own { Ok(client) } else { Err(ListenError::Pooled) }
}

/// Whether a server is there and refuses this user, password or database, by the code of its answer, whatever language it
/// speaks. False where it cannot be asked.
pub(crate) fn is_refused(database: &Database) -> bool {
    let Err(ListenError::Postgres(error)) = session(database) else { return false };
    // Invalid authorisation; no such database.
    error.code().is_some_and(|code| ["28", "3D"].iter().any(|class| code.code().starts_with(class)))
}

/// What libpq reads from a URL about TLS and the `postgres` crate does not know.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tls {
    sslmode: String,
    sslrootcert: Option<String>,
    sslcert: Option<String>,
    sslkey: Option<String>,
}

impl Tls {
    /// The URL without TLS settings, and those.
    fn split(url: &str) -> Result<(Url, Self), ListenError> {
        // An empty host, as in `postgresql:///db?host=/run`, is fine for libpq and for the crate.
        let mut url = Url::parse(url).map_err(|_| ListenError::NotUrl)?;
        let mut tls = Self { sslmode: "prefer".to_owned(), ..Self::default() };
        let mut rest = Vec::new();
        for (key, value) in url.query_pairs() {
            let value = value.into_owned();
            match key.as_ref() {
                "sslmode" => tls.sslmode = value,
                "sslrootcert" => tls.sslrootcert = Some(value),
                "sslcert" => tls.sslcert = Some(value),
                "sslkey" => tls.sslkey = Some(value),
                // These are all that the crate shares with libpq and that matter here.
                "host" | "hostaddr" | "port" | "user" | "password" | "dbname" | "options" => {
                    rest.push((key.into_owned(), value));
                }
                _ => {}
            }
        }
        url.set_query(None);
        if !rest.is_empty() {
            url.query_pairs_mut().extend_pairs(rest);
        }
        Ok((url, tls))
    }

    fn mode(&self) -> SslMode {
        match self.sslmode.as_str() {
            "disable" => SslMode::Disable,
            "require" | "verify-ca" | "verify-full" => SslMode::Require,
            _ => SslMode::Prefer,
        }
    }

    /// As libpq: only `verify-ca` and `verify-full` look at who the server is, and only the latter at its name.
    fn connector(&self) -> Result<MakeTlsConnector, ListenError> {
        let mut builder = SslConnector::builder(SslMethod::tls_client())?;
        let verify = self.sslmode.starts_with("verify-");
        builder.set_verify(if verify { SslVerifyMode::PEER } else { SslVerifyMode::NONE });
        if let Some(root) = self.sslrootcert.as_deref().filter(|root| *root != "system") {
            builder.set_ca_file(root)?;
        }
        if let (Some(cert), Some(key)) = (&self.sslcert, &self.sslkey) {
            builder.set_certificate_chain_file(cert)?;
            builder.set_private_key_file(key, SslFiletype::PEM)?;
        }
        let mut connector = MakeTlsConnector::new(builder.build());
        let check_name = self.sslmode == "verify-full";
        connector.set_callback(move |config, _| {
            config.set_verify_hostname(check_name);
            Ok(())
        });
        Ok(connector)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_refused_is_told_by_the_code() {
        let database = testing::TestDatabase::new();
        let url = database.url();
        for (url, refused, why) in [
            (url.clone(), false, "let in"),
            (url.replace("user=peng", "user=nobody"), true, "no such user"),
            (url.replace("postgresql:///", "postgresql:///no"), true, "no such database"),
            ("postgres://127.0.0.1:1/db".to_owned(), false, "nobody there"),
        ] {
            assert_eq!(is_refused(&Database::new(url)), refused, "{why}");
        }
    }

    #[test]
    fn what_libpq_knows_and_the_crate_does_not_is_taken_out() {
        let url = "postgres://u:p@h:1/db?sslmode=verify-full&sslrootcert=/ca.pem&connect_timeout=3&application_name=x";
        let (url, tls) = Tls::split(url).unwrap();
        assert_eq!(url.as_str(), "postgres://u:p@h:1/db");
        assert_eq!((tls.mode(), tls.sslrootcert.as_deref()), (SslMode::Require, Some("/ca.pem")));
        let (url, tls) = Tls::split("postgresql:///peng?host=/run/x&user=peng").unwrap();
        assert!(url.as_str().parse::<postgres::Config>().is_ok(), "{url}");
        assert_eq!(tls.mode(), SslMode::Prefer);
        assert!(Tls::split("host=h dbname=x").is_err());
    }
}
