//! All that a database can do short of refusing a statement: a session waits it out, on a durable server of its own.

#![expect(clippy::unwrap_used, reason = "a test")]

mod support;

use std::{
    fs,
    io::Write as _,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Command,
    thread::ScopedJoinHandle,
};

use diesel::{
    PgConnection, QueryResult, QueryableByName, RunQueryDsl as _, connection::SimpleConnection as _,
    sql_query, sql_types,
};
use store::{Database, Session};
use support::{eventually, patience, rows, said::Said};
use testing::Postgres;

/// What happens to the server, and what ends it.
struct Fault {
    name: &'static str,
    /// In the one sentence that is said.
    words: &'static str,
    begin: fn(&Postgres),
    end: fn(&Postgres),
}

const FAULTS: &[Fault] = &[
    Fault {
        name: "killed",
        words: "cannot reach the database",
        begin: Postgres::kill,
        end: Postgres::restart,
    },
    Fault {
        name: "stopped",
        words: "cannot reach the database",
        begin: |own| assert!(own.server().down().unwrap()),
        end: Postgres::restart,
    },
    Fault {
        name: "read-only, as a standby or the former primary",
        words: "read-only transaction",
        begin: |own| admin(own, "ALTER DATABASE peng SET default_transaction_read_only = on"),
        end: |own| admin(own, "ALTER DATABASE peng RESET default_transaction_read_only"),
    },
    Fault {
        name: "another password",
        words: "password authentication failed",
        begin: |own| admin(own, "ALTER ROLE guest PASSWORD 'second'"),
        end: |own| admin(own, "ALTER ROLE guest PASSWORD 'first'"),
    },
    Fault {
        name: "too many sessions",
        words: "too many connections",
        begin: |own| admin(own, "ALTER ROLE guest CONNECTION LIMIT 0"),
        end: |own| admin(own, "ALTER ROLE guest CONNECTION LIMIT -1"),
    },
    Fault {
        name: "closed for maintenance",
        words: "not currently accepting connections",
        begin: |own| admin(own, "ALTER DATABASE peng ALLOW_CONNECTIONS false"),
        end: |own| admin(own, "ALTER DATABASE peng ALLOW_CONNECTIONS true"),
    },
    Fault {
        name: "the table is away, as in a migration that failed half-way",
        words: "does not exist",
        begin: |own| peng(own, "ALTER TABLE note RENAME TO elsewhere"),
        end: |own| peng(own, "ALTER TABLE elsewhere RENAME TO note"),
    },
];

const FULL_DISK: Fault = Fault {
    name: "a full disk",
    words: "No space left on device",
    begin: |own| {
        let mut file = fs::File::create(ballast(own)).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    },
    end: |own| fs::remove_file(ballast(own)).unwrap(),
};

/// A file on the small disk.
fn ballast(own: &Postgres) -> PathBuf {
    #[derive(QueryableByName)]
    struct Space {
        #[diesel(sql_type = sql_types::Text)]
        folder: String,
    }
    let query = "SELECT pg_tablespace_location(oid) AS folder FROM pg_tablespace WHERE spcname = 'small'";
    let mut conn = Database::new(own.url()).unwrap().connect().unwrap();
    Path::new(&sql_query(query).get_result::<Space>(&mut conn).unwrap().folder).join("ballast")
}

/// Runs a statement as the owner of the server, from another database, and ends all other sessions.
fn admin(own: &Postgres, sql: &str) {
    let mut conn = Database::new(own.server().url_of("postgres")).unwrap().connect().unwrap();
    conn.batch_execute(sql).unwrap();
    conn.batch_execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'guest'")
        .unwrap();
}

fn peng(own: &Postgres, sql: &str) {
    Database::new(own.url()).unwrap().connect().unwrap().batch_execute(sql).unwrap();
}

/// A disk of four megabytes in memory; unmounted with this value.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// None where this user may not mount.
    fn mount(owner: &Path) -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("peng-disk-").tempdir().unwrap();
        let owner = fs::metadata(owner).unwrap();
        let options = format!("size=4m,mode=0700,uid={},gid={}", owner.uid(), owner.gid());
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "none"]).arg(folder.path()).output();
        let disk = Self(folder);
        mount.is_ok_and(|mount| mount.status.success()).then_some(disk)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Where nothing is mounted it says so, and the folder goes.
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).output();
    }
}

/// A server that asks `guest` for a password, with a table of a page a row.
fn prepare(own: &Postgres, disk: Option<&SmallDisk>) -> Database {
    peng(own, "CREATE ROLE guest LOGIN PASSWORD 'first'");
    let space = disk.map_or("", |_| "TABLESPACE small");
    if let Some(SmallDisk(folder)) = disk {
        peng(own, &format!("CREATE TABLESPACE small LOCATION '{}'", folder.path().display()));
    }
    peng(
        own,
        &format!(
            "CREATE TABLE note (id int, text text) {space}; ALTER TABLE note ALTER text SET STORAGE PLAIN; \
             GRANT ALL ON note TO guest"
        ),
    );
    let rules = own.server().home().join("postgres/pg_hba.conf");
    let text = fs::read_to_string(&rules).unwrap();
    fs::write(&rules, format!("local all guest scram-sha-256\n{text}")).unwrap();
    peng(own, "SELECT pg_reload_conf()");
    let as_guest = |password: &str| {
        Database::new(own.url().replace("user=peng", &format!("user=guest&password={password}"))).unwrap()
    };
    eventually("the server asks for a password", || as_guest("wrong").connect().is_err());
    as_guest("first")
}

/// Writes a row once, however often it is tried.
fn note(conn: &mut PgConnection, id: usize) -> QueryResult<usize> {
    sql_query(format!(
        "INSERT INTO note SELECT {id}, repeat('x', 7000) WHERE NOT EXISTS (SELECT FROM note WHERE id = {id})"
    ))
    .execute(conn)
}

#[test]
fn nothing_that_passes_ends_the_work_of_a_session() {
    let own = Postgres::start();
    let disk = SmallDisk::mount(&own.server().home().join("postgres"));
    if disk.is_none() {
        eprintln!("skipped: a full disk, since this user may not mount one");
    }
    let database = prepare(&own, disk.as_ref());
    for (i, fault) in FAULTS.iter().chain(disk.is_some().then_some(&FULL_DISK)).enumerate() {
        let Fault { name, words, begin, end } = fault;
        // A session of its own for each: one says what is wrong once a minute, however often that comes and goes.
        let mut warm = Session::new(database.clone());
        assert_eq!(warm.run(&patience(), |conn| note(conn, 3 * i)).unwrap(), 1, "{name}: before");
        begin(&own);
        // One that is connected, and may say first that it no longer is; and one that connects now.
        let mut fresh = Session::new(database.clone());
        let said = [Said::default(), Said::default()];
        std::thread::scope(|scope| {
            let working =
                [(&mut warm, 1), (&mut fresh, 2)].into_iter().zip(&said).map(|((session, n), said)| {
                    scope
                        .spawn(move || said.during(|| session.run(&patience(), |conn| note(conn, 3 * i + n))))
                });
            let working: Vec<_> = working.collect();
            eventually(name, || {
                working.iter().any(ScopedJoinHandle::is_finished)
                    || said.iter().all(|said| !said.warnings().is_empty())
            });
            let ended_early = working.iter().any(ScopedJoinHandle::is_finished);
            end(&own);
            for thread in working {
                // The first try may have been done when its answer was lost.
                assert!(thread.join().unwrap().unwrap() <= 1, "{name}");
            }
            assert!(!ended_early, "{name} stops nobody");
        });
        let [warm, fresh] = said.map(|said| said.warnings());
        assert_eq!((warm.len(), fresh.len()), (1, 1), "{name}: a sentence a minute: {warm:?}, {fresh:?}");
        assert!(fresh[0].contains(words) && fresh[0].ends_with("trying again"), "{name}: {fresh:?}");
        let notes = format!("SELECT 1 FROM note WHERE id / 3 = {i}");
        assert_eq!(rows(&mut Database::new(own.url()).unwrap().connect().unwrap(), &notes), 3, "{name}");
    }
    own.server().down().unwrap();
}
