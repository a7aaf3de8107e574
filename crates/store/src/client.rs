//! The second client of Postgres, the crate `postgres`: it waits for notifications, and is told by codes why a server refuses.

use std::time::Duration;

use openssl::ssl::{SslConnector, SslFiletype, SslMethod, SslVerifyMode};
use postgres::{Client, Config, config::SslMode};
use postgres_openssl::MakeTlsConnector;

use crate::conninfo::ConnInfo;

/// Why there is no listener. None of them holds a password.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The server does not answer, or the connection was lost.
    #[error("cannot listen for new jobs")]
    Postgres(#[from] postgres::Error),
    /// A certificate cannot be used.
    #[error("cannot listen for new jobs")]
    Tls(#[from] openssl::error::ErrorStack),
    /// PgBouncer, or another pooler that gives each transaction any session.
    #[error(
        "cannot listen for new jobs: a connection pooler stands before the database and passes no notifications on"
    )]
    Pooled,
}

/// A session that is surely this client's alone: it begins with a setting that a pooler refuses or does not pass on.
pub fn session(info: &ConnInfo, options: &str) -> Result<Client, ListenError> {
    let (mut config, tls) = config(&info.resolved())?;
    config
        .options(options)
        .application_name("peng listen")
        .connect_timeout(Duration::from_secs(10))
        .tcp_user_timeout(Duration::from_secs(30));
    let mut client = config.connect(tls).map_err(|error| {
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
pub fn is_refused(info: &ConnInfo, options: &str) -> bool {
    let Err(ListenError::Postgres(error)) = session(info, options) else { return false };
    // Invalid authorisation; no such database.
    error.code().is_some_and(|code| ["28", "3D"].iter().any(|class| code.code().starts_with(class)))
}

/// Files that libpq reads where the connection string names none.
fn of_the_user(name: &str) -> Option<String> {
    let path = std::env::home_dir()?.join(".postgresql").join(name);
    path.exists().then(|| path.to_string_lossy().into_owned())
}

/// A connection string as the `postgres` crate wants it. The two clients share the parts that libpq has taken apart; keywords
/// that the crate does not know are left to libpq.
fn config(info: &ConnInfo) -> Result<(Config, MakeTlsConnector), ListenError> {
    const SHARED: &[&str] = &[
        "host",
        "hostaddr",
        "port",
        "user",
        "password",
        "dbname",
        "target_session_attrs",
        "load_balance_hosts",
        "keepalives_idle",
        "keepalives_interval",
    ];
    let mut shared = info.clone();
    shared.retain(|keyword| SHARED.contains(&keyword));
    let mut config: Config = shared.to_dsn().parse()?;
    let tls = Tls::of(info);
    config.ssl_mode(tls.mode());
    Ok((config, tls.connector()?))
}

/// What libpq reads about TLS and the `postgres` crate does not know.
#[derive(Debug, PartialEq, Eq)]
struct Tls {
    sslmode: String,
    sslrootcert: Option<String>,
    sslcert: Option<String>,
    sslkey: Option<String>,
}

impl Tls {
    fn of(info: &ConnInfo) -> Self {
        let file = |keyword: &str, name| info.get(keyword).map(str::to_owned).or_else(|| of_the_user(name));
        Self {
            sslmode: info.get("sslmode").unwrap_or("prefer").to_owned(),
            sslrootcert: file("sslrootcert", "root.crt"),
            sslcert: file("sslcert", "postgresql.crt"),
            sslkey: file("sslkey", "postgresql.key"),
        }
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
    fn both_clients_ask_the_same_hosts_for_the_same() {
        for (text, hosts, ssl, why) in [
            ("postgres://u:p@h:1/db?sslmode=verify-full&application_name=x", 1, SslMode::Require, "TLS"),
            ("postgres://u@h1:1,h2:2/db?target_session_attrs=read-write", 2, SslMode::Prefer, "two hosts"),
            ("postgresql:///db?host=a,b&port=1,2&user=u", 2, SslMode::Prefer, "the other spelling"),
            ("host=/run/x user=peng dbname=db sslmode=disable", 1, SslMode::Disable, "a socket"),
        ] {
            let info = ConnInfo::parse(text).unwrap();
            let (config, _) = config(&info).unwrap();
            assert_eq!((config.get_hosts().len(), config.get_ssl_mode()), (hosts, ssl), "{why}");
            assert_eq!(config.get_dbname(), Some("db"), "{why}");
        }
    }

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
            assert_eq!(is_refused(&ConnInfo::parse(&url).unwrap(), "-c peng.session=own"), refused, "{why}");
        }
    }
}
