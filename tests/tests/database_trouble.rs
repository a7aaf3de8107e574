//! Every kind of trouble that a database may have under a running worker: none ends it or loses a row.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    thread,
    time::{Duration, Instant},
};

use diesel::{PgConnection, connection::SimpleConnection as _};
use tests::{Lab, Postgres, Role, Worker, spec, wait};

const JOBS: i64 = 4;
const EPOCHS: i64 = 12;
/// Two slots and the heartbeat: each says what it waits for once a minute.
const SESSIONS: usize = 3;

/// A worker with two slots in the middle of four jobs, and a session that was there before all trouble.
fn at_work(lab: &Lab, settings: &str) -> (Worker, PgConnection) {
    lab.submit(&spec("random", JOBS as u32, EPOCHS as u32));
    let url = format!("{}{settings}", lab.url_as(Role::Worker));
    let arguments = ["--once", "--slots", "2", "--epoch-seconds", "0.1"];
    let worker = lab.worker_at(&url, "peng-replay-worker", &arguments);
    lab.wait_for("observation", 4);
    (worker, lab.connect())
}

/// Checks that the worker came through, said what it met, and said it once a minute.
fn assert_through(lab: &Lab, worker: &mut Worker, met: &str) {
    assert_eq!(worker.join(), Some(0), "{}", worker.log());
    let log = worker.log();
    assert!(met.is_empty() || log.contains(met), "{met}: {log}");
    assert!(worker.said("trying again") <= SESSIONS, "a sentence a minute: {}", worker.log());
    lab.assert_whole(JOBS, EPOCHS);
}

/// All sessions of the database but the one that asks.
const OTHERS: &str = "pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";

/// Ends them.
fn end_sessions() -> String {
    format!("SELECT pg_terminate_backend(pid) FROM {OTHERS}")
}

#[test]
fn a_server_that_only_reads_is_waited_for() {
    let lab = Lab::new();
    let (mut worker, mut admin) = at_work(&lab, "");
    let set = |to: &str| {
        format!(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = {to}', current_database()); END $$"
        )
    };
    admin.batch_execute(&format!("{}; {}", set("on"), end_sessions())).unwrap();
    worker.wait_for("read-only transaction; trying again");
    admin.batch_execute(&format!("{}; {}", set("off"), end_sessions())).unwrap();
    assert_through(&lab, &mut worker, "the database answers again");
}

#[test]
fn a_locked_table_is_waited_for_beyond_the_time_out() {
    let lab = Lab::new();
    let (mut worker, mut admin) = at_work(&lab, "&options=-c%20lock_timeout%3D300ms");
    admin.batch_execute("BEGIN; LOCK TABLE job IN ACCESS EXCLUSIVE MODE").unwrap();
    worker.wait_for("canceling statement due to lock timeout");
    admin.batch_execute("COMMIT").unwrap();
    assert_through(&lab, &mut worker, "the database answers again");
}

#[test]
fn a_statement_that_takes_too_long_is_tried_again() {
    let lab = Lab::new();
    let (mut worker, mut admin) = at_work(&lab, "&options=-c%20statement_timeout%3D300ms");
    admin
        .batch_execute(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(2); RETURN new; END';
             CREATE TRIGGER slow BEFORE INSERT ON observation FOR EACH ROW EXECUTE FUNCTION slow()",
        )
        .unwrap();
    worker.wait_for("canceling statement due to statement timeout");
    wait("the trigger to go", || {
        admin.batch_execute("DROP TRIGGER slow ON observation").map_err(|e| e.to_string())
    });
    assert_through(&lab, &mut worker, "the database answers again");
}

/// A session locks a job after its lease, the other way round than the worker that ends it, and waits for longer than that.
#[test]
fn a_deadlock_is_tried_again() {
    let lab = Lab::new();
    let (mut worker, mut admin) = at_work(&lab, "");
    lab.wait_for("observation WHERE step = 10", 1);
    admin
        .batch_execute(
            "SET deadlock_timeout = '1min';
             CREATE TEMP TABLE mine AS SELECT job_id FROM observation JOIN lease USING (job_id) WHERE step = 10 LIMIT 1;
             BEGIN; SELECT FROM lease WHERE job_id = (SELECT job_id FROM mine) FOR UPDATE",
        )
        .unwrap();
    lab.wait_for(&format!("{OTHERS} AND wait_event_type = 'Lock' AND query LIKE '%DELETE FROM lease%'"), 1);
    admin.batch_execute("SELECT FROM job WHERE id = (SELECT job_id FROM mine) FOR UPDATE; COMMIT").unwrap();
    lab.wait_for("pg_stat_database WHERE datname = current_database() AND deadlocks > 0", 1);
    assert_through(&lab, &mut worker, "");
}

#[test]
fn sessions_that_are_killed_again_and_again_are_opened_again_and_again() {
    let lab = Lab::new();
    let (mut worker, _) = at_work(&lab, "");
    let (end, mut killed) = (Instant::now() + Duration::from_secs(3), 0);
    while Instant::now() < end {
        // Chosen first, then ended: the session that asks is not among them.
        let ended = format!("(SELECT pg_terminate_backend(pid) FROM {OTHERS} OFFSET 0) AS ended");
        killed += lab.count(&ended);
        thread::sleep(Duration::from_millis(50)); // So that it works now and then.
    }
    assert!(killed > 20, "{killed}");
    assert_through(&lab, &mut worker, "");
}

#[test]
fn a_server_that_restarts_is_waited_for() {
    let postgres = Postgres::start();
    let lab = Lab::on_own(&postgres);
    let (mut worker, admin) = at_work(&lab, "");
    drop(admin);
    postgres.server().down().unwrap();
    worker.wait_for("trying again");
    postgres.restart();
    assert_through(&lab, &mut worker, "the database answers again");
}

/// The worker reads its password from a file, as those of a cluster do, and finds the new one there.
#[test]
fn a_rotated_password_is_waited_for() {
    let postgres = Postgres::start();
    let open = Lab::on_own(&postgres);
    let mut admin = open.connect();
    admin.batch_execute("CREATE ROLE rotated SUPERUSER LOGIN PASSWORD 'first'").unwrap();
    let rules = postgres.server().home().join("postgres/pg_hba.conf");
    let hba = fs::read_to_string(&rules).unwrap();
    fs::write(&rules, format!("local all rotated scram-sha-256\n{hba}")).unwrap();
    admin.batch_execute("SELECT pg_reload_conf()").unwrap();
    let passwords = open.file("pgpass", "");
    fs::set_permissions(&passwords, fs::Permissions::from_mode(0o600)).unwrap();
    let write = |password: &str| fs::write(&passwords, format!("*:*:*:rotated:{password}\n")).unwrap();
    write("first");
    open.submit(&spec("random", JOBS as u32, EPOCHS as u32));
    let mut command = open.command("peng-replay-worker");
    command.env("DATABASE_URL", postgres.url().replace("user=peng", "user=rotated"));
    command.env("PGPASSFILE", &passwords);
    command.args(["--once", "--slots", "2", "--epoch-seconds", "0.1"]);
    let mut worker = open.spawn(command);
    open.wait_for("observation", 4);

    admin.batch_execute(&format!("ALTER ROLE rotated PASSWORD 'second'; {}", end_sessions())).unwrap();
    worker.wait_for("password authentication failed");
    write("second");
    assert_through(&open, &mut worker, "the database answers again");
    assert!(!worker.log().contains("second"), "{}", worker.log());
}

#[test]
fn a_server_without_a_free_connection_is_waited_for() {
    let postgres = Postgres::start();
    let lab = Lab::on_own(&postgres);
    lab.connect().batch_execute("ALTER SYSTEM SET max_connections = 12").unwrap();
    postgres.server().down().unwrap();
    postgres.restart();
    let (mut worker, mut admin) = at_work(&lab, "");
    let database = store::Database::new(lab.url()).unwrap();
    let mut taken: Vec<PgConnection> = Vec::new();
    wait("the last connection to be taken", || {
        taken.extend(std::iter::from_fn(|| database.connect().ok()));
        if worker.log().contains("too many clients already") {
            return Ok(());
        }
        let own: Vec<_> = taken.iter_mut().map(|conn| pid(conn).to_string()).collect();
        let own = own.join(", ");
        admin.batch_execute(&format!("{} AND pid NOT IN ({own})", end_sessions())).unwrap();
        Err(worker.log())
    });
    drop(taken);
    assert_through(&lab, &mut worker, "the database answers again");
}

fn pid(conn: &mut PgConnection) -> i32 {
    diesel::RunQueryDsl::get_result(
        diesel::select(diesel::dsl::sql::<diesel::sql_types::Integer>("pg_backend_pid()")),
        conn,
    )
    .unwrap()
}
