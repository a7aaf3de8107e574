//! A database per test, copied from a migrated template, on one server that the first test starts.
//!
//! The server stays up for the next run; `ops/test.sh` stops it.

use std::{fs, path::PathBuf};

use diesel::{Connection as _, PgConnection, RunQueryDsl as _, connection::SimpleConnection as _, sql_query};
use local_postgres::Server;
use store::{Database, migration};

/// Drops the roles of a database.
const DROP_ROLES: &str = "DO $$
DECLARE
    own text;
BEGIN
    FOR own IN SELECT rolname FROM pg_roles, identity WHERE rolname LIKE 'peng\\_%\\_' || left(id::text, 8) LOOP
        EXECUTE format('DROP OWNED BY %I; DROP ROLE %I', own, own);
    END LOOP;
END
$$";

/// A fresh, migrated database; dropped with this value.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    server: Server,
    /// Whether the roles that its migrations make are no other database's: copies of the template share them.
    own_roles: bool,
}

/// The server of all tests of this user: `PENG_TEST_HOME`, or a directory among the temporary ones.
pub fn server() -> Server {
    let user = rustix::process::getuid().as_raw();
    let home = std::env::var_os("PENG_TEST_HOME").map(PathBuf::from);
    Server::at(home.unwrap_or_else(|| std::env::temp_dir().join(format!("peng-test-{user}")))).not_durable()
}

impl TestDatabase {
    /// A database with the newest schema and no rows.
    ///
    /// # Panics
    /// If there is no Postgres on this machine: a test cannot go on without.
    pub fn new() -> Self {
        let server = server();
        let template = start(&server);
        let name = format!("test_{}", uuid::Uuid::new_v4().simple());
        admin(&server, &format!("CREATE DATABASE {name} TEMPLATE {template}"));
        Self { name, server, own_roles: false }
    }

    /// A database with nothing in it, not even the schema.
    ///
    /// # Panics
    /// As [`Self::new`].
    pub fn empty() -> Self {
        let server = server();
        start(&server);
        let name = format!("test_{}", uuid::Uuid::new_v4().simple());
        admin(&server, &format!("CREATE DATABASE {name}"));
        Self { name, server, own_roles: true }
    }

    /// How to reach it.
    pub fn database(&self) -> Database {
        Database::new(self.url()).expect("a URL of ours")
    }

    /// Its URL.
    pub fn url(&self) -> String {
        self.server.url_of(&self.name)
    }

    /// A new session.
    ///
    /// # Panics
    /// If the server has gone.
    pub fn connect(&self) -> PgConnection {
        self.database().connect().expect("the test server answers")
    }
}

impl Default for TestDatabase {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // They belong to the server, and would stay. A test may have left nothing to find them by.
        if self.own_roles
            && let Ok(mut conn) = self.database().connect()
        {
            let _left = conn.batch_execute(DROP_ROLES);
        }
        admin(&self.server, &format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

/// Starts the server and makes the template if they are not there; one process at a time.
fn start(server: &Server) -> String {
    let lock = std::env::temp_dir().join(format!("peng-test-{}.lock", rustix::process::getuid().as_raw()));
    let lock =
        fs::OpenOptions::new().create(true).truncate(false).write(true).open(lock).expect("a lock file");
    lock.lock().expect("the lock");
    server.up().expect("a private Postgres for the tests");
    let template = format!("template_{}", migrations_digest());
    let mut conn = PgConnection::establish(&server.url_of("postgres")).expect("the test server answers");
    let sql = format!("SELECT 1 FROM pg_database WHERE datname = '{template}' AND datistemplate");
    if sql_query(sql).execute(&mut conn).expect("pg_database can be read") == 0 {
        conn.batch_execute(&format!("DROP DATABASE IF EXISTS {template}"))
            .expect("an unfinished template goes");
        conn.batch_execute(&format!("CREATE DATABASE {template}")).expect("the template is made");
        let mut inside = PgConnection::establish(&server.url_of(&template)).expect("the template answers");
        migration::migrate(&mut inside, std::time::Duration::ZERO).expect("the migrations run");
        drop(inside);
        conn.batch_execute(&format!("ALTER DATABASE {template} IS_TEMPLATE true"))
            .expect("the template is marked");
    }
    template
}

fn admin(server: &Server, sql: &str) {
    let mut conn = PgConnection::establish(&server.url_of("postgres")).expect("the test server answers");
    conn.batch_execute(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// A template serves one set of migrations and roles, to the letter.
fn migrations_digest() -> String {
    use sha2::Digest as _;
    let mut digest = sha2::Sha256::new();
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations");
    let mut dirs: Vec<_> =
        fs::read_dir(root).expect("the migrations").flatten().map(|entry| entry.path()).collect();
    dirs.sort();
    for dir in dirs {
        digest.update(fs::read(dir.join("up.sql")).unwrap_or_default());
    }
    digest.update(migration::ROLES);
    digest.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}
