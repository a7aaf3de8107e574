//! The server of the benchmarks, and databases with queues in them.

use std::path::Path;

use diesel::{PgConnection, connection::SimpleConnection as _};
use store::{Database, migration, worker::NewWorker};
use testing::Postgres;
use uuid::Uuid;

/// A durable private server; stopped and removed with this value.
pub struct Bench {
    postgres: Postgres,
}

impl Bench {
    /// Where commits are not flushed, only the processor is measured, on a disk whose speed changes too.
    pub fn new(flush: bool) -> Self {
        let bench = Self { postgres: Postgres::start() };
        if !flush {
            let mut admin = bench.admin();
            admin.batch_execute("ALTER SYSTEM SET synchronous_commit = off").unwrap();
            admin.batch_execute("SELECT pg_reload_conf()").unwrap();
        }
        bench
    }

    fn admin(&self) -> PgConnection {
        Database::new(self.postgres.server().url_of("postgres")).unwrap().connect().unwrap()
    }

    /// Where the files of the server are.
    pub fn home(&self) -> &Path {
        self.postgres.server().home()
    }

    /// Where the socket of the server is.
    pub fn socket(&self) -> String {
        self.home().join("run").display().to_string()
    }

    /// A database with the schema and one search, and how a worker reaches it.
    pub fn database(&self, name: &str) -> Database {
        let mut admin = self.admin();
        admin.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).unwrap();
        admin.batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
        let database = Database::new(self.postgres.server().url_of(name)).unwrap().for_long_reads();
        let mut conn = database.connect().unwrap();
        migration::migrate(&mut conn, std::time::Duration::ZERO).unwrap();
        conn.batch_execute(
            "INSERT INTO search (name, spec, spec_hash, engine, max_epochs, \"interval\", budget, version) \
             VALUES ('s', '{}', repeat('0', 64), 'none', 20, 1, 1000000, '0')",
        )
        .unwrap();
        database
    }

    /// A database with so many ready jobs in so many priorities, and a hundred workers.
    pub fn queue(&self, name: &str, jobs: usize, priorities: usize) -> Database {
        let database = self.database(name);
        let mut conn = database.connect().unwrap();
        conn.batch_execute(&format!(
            "INSERT INTO architecture (search_id, hash, genome, summary, parameters, flops) \
             SELECT 1, lpad(i::text, 64, '0'), '{{\"cells\": [1, 2, 3]}}', 'network', 1, 1 \
             FROM generate_series(1, {jobs}) AS i; \
             INSERT INTO job (search_id, architecture_id, seed, mode, priority) \
             SELECT 1, id, 1, 'terminate', id % {priorities} FROM architecture ORDER BY id"
        ))
        .unwrap();
        (0..100).for_each(|i| register(&mut conn, worker(i)));
        conn.batch_execute("VACUUM ANALYZE").unwrap();
        conn.batch_execute("CHECKPOINT").unwrap();
        database
    }
}

/// Id of the i-th worker; `bare.rs` makes the same ones.
pub fn worker(i: usize) -> Uuid {
    format!("00000000-0000-0000-0000-{i:012}").parse().unwrap()
}

fn register(conn: &mut PgConnection, id: Uuid) {
    let text = || "default".to_owned();
    let worker = NewWorker { id, host: text(), pid: 1, class: text(), device: text(), version: text() };
    worker.register(conn).unwrap();
}
