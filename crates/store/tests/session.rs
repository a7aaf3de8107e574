//! A session that times out, tells errors apart and tries again: a frozen client holds nothing for long, and only what is wrong
//! with a statement itself ends the work.

#![expect(clippy::unwrap_used, reason = "a test")]

mod support;

use std::{
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    time::{Duration, Instant},
};

use diesel::{
    Connection as _, PgConnection, QueryableByName, RunQueryDsl as _,
    connection::{AnsiTransactionManager, SimpleConnection as _, TransactionManager as _},
    sql_query, sql_types,
};
use domain::SearchId;
use store::{Database, DbError, Session, search};
use support::{eventually, patience, rows, said::Said, submit, waits};
use testing::TestDatabase;

const PATIENCE: Duration = Duration::from_secs(60);

/// The database, with settings of the session in its URL.
fn with_options(database: &TestDatabase, options: &[&str]) -> Database {
    let options: Vec<_> =
        options.iter().map(|option| format!("-c%20{}", option.replace('=', "%3D"))).collect();
    Database::new(format!("{}&options={}", database.url(), options.join("%20"))).unwrap()
}

fn setting(conn: &mut PgConnection, name: &str) -> String {
    #[derive(QueryableByName)]
    struct Setting {
        #[diesel(sql_type = sql_types::Text)]
        value: String,
    }
    let query = format!("SELECT current_setting('{name}') AS value");
    sql_query(query).get_result::<Setting>(conn).unwrap().value
}

const TIMEOUTS: [&str; 3] = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"];

#[test]
fn a_session_has_time_outs_and_those_of_the_url_win() {
    let database = TestDatabase::new();
    for (options, expected) in [
        (&[][..], ["1min", "10s", "15s"]),
        (&["lock_timeout=3s"], ["1min", "3s", "15s"]),
        (&["statement_timeout=0", "idle_in_transaction_session_timeout=7s"], ["0", "10s", "7s"]),
    ] {
        let mut conn = with_options(&database, options).connect().unwrap();
        assert_eq!(TIMEOUTS.map(|name| setting(&mut conn, name)), expected, "{options:?}");
    }
}

/// What whoever changes the state of a search holds.
const LOCK: &str = "SELECT FROM search WHERE id = 1 FOR NO KEY UPDATE";

#[test]
fn a_client_that_freezes_in_a_transaction_loses_its_locks() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    submit(&mut conn, "s", 1);
    let (frozen, thaw) = mpsc::channel::<()>();
    let (locked, waiting) = mpsc::channel();
    std::thread::scope(|scope| {
        let quick = with_options(&database, &["idle_in_transaction_session_timeout=300ms"]);
        let freezing = scope.spawn(move || {
            quick.connect().unwrap().transaction(|conn| {
                conn.batch_execute(LOCK)?;
                locked.send(()).unwrap();
                thaw.recv_timeout(PATIENCE).unwrap();
                search::pause(conn, SearchId(1))
            })
        });
        waiting.recv_timeout(PATIENCE).unwrap();
        // Its lock_timeout is 10 s: what it waits for ends before.
        assert_eq!(search::pause(&mut conn, SearchId(1)).unwrap(), Some(1));
        frozen.send(()).unwrap();
        assert!(freezing.join().unwrap().is_err(), "it has lost its transaction and is told so");
    });
}

#[test]
fn a_lock_that_is_held_for_long_is_waited_for_again_and_again() {
    let database = TestDatabase::new();
    let (mut conn, mut holding) = (database.connect(), database.connect());
    submit(&mut conn, "s", 1);
    AnsiTransactionManager::begin_transaction(&mut holding).unwrap();
    holding.batch_execute(LOCK).unwrap();
    let (tries, said) = (AtomicUsize::new(0), Said::default());
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let mut session = Session::new(with_options(&database, &["lock_timeout=50ms"]));
            said.during(|| {
                session.run(&patience(), |conn| {
                    tries.fetch_add(1, Relaxed);
                    search::pause(conn, SearchId(1))
                })
            })
        });
        eventually("it tries for the fourth time", || tries.load(Relaxed) >= 4);
        AnsiTransactionManager::commit_transaction(&mut holding).unwrap();
        assert_eq!(waiting.join().unwrap().unwrap(), Some(1));
    });
    let warnings = said.warnings();
    assert_eq!(warnings.len(), 1, "a sentence a minute: {warnings:?}");
    assert!(warnings[0].contains("lock timeout") && warnings[0].ends_with("trying again"), "{warnings:?}");
    assert!(said.lines().iter().any(|line| line.contains("the database answers again after")));
}

#[test]
fn the_victim_of_a_deadlock_tries_again() {
    let database = TestDatabase::new();
    let (mut conn, mut other) = (database.connect(), database.connect());
    submit(&mut conn, "s", 2);
    let touch = |id: i64| format!("UPDATE job SET priority = priority + 1 WHERE id = {id}");
    // Whoever looks for a deadlock first is its victim.
    let quick = with_options(&database, &["deadlock_timeout=50ms"]);
    let tries = AtomicUsize::new(0);
    AnsiTransactionManager::begin_transaction(&mut other).unwrap();
    other.batch_execute(&touch(2)).unwrap();
    std::thread::scope(|scope| {
        let victim = scope.spawn(|| {
            Session::new(quick).run(&patience(), |conn| {
                tries.fetch_add(1, Relaxed);
                conn.transaction(|conn| {
                    conn.batch_execute(&touch(1))?;
                    conn.batch_execute(&touch(2))
                })
            })
        });
        assert!(waits(&mut conn, || victim.is_finished()));
        other.batch_execute(&touch(1)).unwrap();
        AnsiTransactionManager::commit_transaction(&mut other).unwrap();
        victim.join().unwrap().unwrap();
    });
    assert!(tries.load(Relaxed) >= 2, "it was the victim");
    assert_eq!(rows(&mut conn, "SELECT 1 FROM job WHERE priority = 2"), 2, "both did all of their work once");
}

#[test]
fn a_statement_that_takes_too_long_is_tried_again() {
    let database = TestDatabase::new();
    let tries = AtomicUsize::new(0);
    let mut session = Session::new(with_options(&database, &["statement_timeout=50ms"]));
    let done = session.run(&patience(), |conn| {
        let sleep = if tries.fetch_add(1, Relaxed) < 2 { 30 } else { 0 };
        sql_query(format!("SELECT pg_sleep({sleep})")).execute(conn)
    });
    assert_eq!((done.unwrap(), tries.load(Relaxed)), (1, 3));
}

#[test]
fn what_is_wrong_with_a_statement_is_said_at_once() {
    let database = TestDatabase::new();
    submit(&mut database.connect(), "s", 1);
    let mut session = Session::new(database.database());
    for (statement, what) in [
        ("UPDATE job SET crashes = -1", "a check"),
        ("UPDATE job SET mode = NULL", "a column that must not be null"),
        ("UPDATE job SET search_id = 999", "a reference"),
        ("INSERT INTO search OVERRIDING SYSTEM VALUE SELECT * FROM search", "a name that is taken"),
    ] {
        let tries = AtomicUsize::new(0);
        let done = session.run(&patience(), |conn| {
            tries.fetch_add(1, Relaxed);
            sql_query(statement).execute(conn)
        });
        assert!(matches!(done, Err(DbError::Rejected(_))), "{what}: {done:?}");
        assert_eq!(tries.load(Relaxed), 1, "{what}");
    }
    assert_eq!(
        session.run(&patience(), |conn| sql_query("SELECT 1").execute(conn)).unwrap(),
        1,
        "the session goes on"
    );
    let done = session.run(&patience(), |conn| search::get(conn, SearchId(999)));
    assert!(matches!(done, Err(DbError::Rejected(diesel::result::Error::NotFound))));
}

#[test]
fn whoever_no_longer_waits_is_let_go() {
    // Nobody listens there.
    let mut session = Session::new(Database::new("postgres://127.0.0.1:1/none").unwrap());
    let (stop, said) = (AtomicBool::new(false), Said::default());
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            said.during(|| session.run(&|| stop.load(Relaxed), |conn| sql_query("SELECT 1").execute(conn)))
        });
        eventually("it waits", || !said.warnings().is_empty());
        let asked = Instant::now();
        stop.store(true, Relaxed);
        assert!(matches!(waiting.join().unwrap(), Err(DbError::Stopped)));
        assert!(asked.elapsed() < Duration::from_secs(5), "pauses grow to ten seconds and are not sat out");
    });
}
