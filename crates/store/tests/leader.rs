//! One worker does for all what one can: it is elected by one statement, holds nothing, and is replaced after its term.

#![expect(clippy::unwrap_used, reason = "a test")]

mod support;

use std::{sync::Barrier, time::Duration};

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl as _,
    connection::{AnsiTransactionManager, SimpleConnection as _, TransactionManager as _},
    sql_query, sql_types,
};
use store::maintenance;
use support::{TTL, claim, expire, rows, submit, worker};
use testing::TestDatabase;
use uuid::Uuid;

const TERM: Duration = Duration::from_secs(15);
const GAP: Duration = Duration::from_secs(30);

fn lead(conn: &mut PgConnection, worker: Uuid) -> bool {
    maintenance::lead(conn, worker, TERM, GAP).unwrap().is_some()
}

/// As if the leader had not been heard of for a term.
fn end_term(conn: &mut PgConnection) {
    conn.batch_execute("UPDATE maintenance SET until = now() - interval '1 second'").unwrap();
}

fn is_leader(conn: &mut PgConnection, worker: Uuid) -> bool {
    rows(conn, &format!("SELECT 1 FROM maintenance WHERE holder = '{worker}' AND until > now()")) == 1
}

#[test]
fn one_of_two_workers_does_the_rounds_until_its_term_is_over() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let (first, second) = (worker(&mut conn), worker(&mut conn));
    assert!(maintenance::round(&mut conn, first, TERM, GAP).unwrap().is_some());
    assert!(maintenance::round(&mut conn, second, TERM, GAP).unwrap().is_none());
    assert!(maintenance::round(&mut conn, first, TERM, GAP).unwrap().is_some(), "it goes on");
    end_term(&mut conn);
    assert!(maintenance::round(&mut conn, second, TERM, GAP).unwrap().is_some());
    assert!(maintenance::round(&mut conn, first, TERM, GAP).unwrap().is_none(), "it comes back too late");
    assert!(is_leader(&mut conn, second));
}

#[test]
fn of_many_workers_at_once_one_is_elected() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    for (before, why) in [("DELETE FROM maintenance", "the first of all"), ("SELECT 1", "the term is over")] {
        conn.batch_execute(before).unwrap();
        end_term(&mut conn);
        let barrier = Barrier::new(8);
        let elected: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let mut conn = database.connect();
                        let id = worker(&mut conn);
                        barrier.wait();
                        usize::from(lead(&mut conn, id))
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(elected, 1, "{why}");
    }
}

#[test]
fn whoever_is_not_elected_writes_and_locks_nothing() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let (first, second) = (worker(&mut conn), worker(&mut conn));
    submit(&mut conn, "s", 1);
    let held = claim(&mut conn);
    assert!(lead(&mut conn, first));
    conn.batch_execute("UPDATE maintenance SET last_at = now() - interval '1 hour'").unwrap();
    expire(&mut conn, held.job_id);
    for (id, expected) in [(second, 0), (first, 1)] {
        AnsiTransactionManager::begin_transaction(&mut conn).unwrap();
        assert_eq!(lead(&mut conn, id), expected == 1);
        // A row lock needs a number of the transaction as much as a write does.
        let wrote = "SELECT 1 WHERE pg_current_xact_id_if_assigned() IS NOT NULL";
        assert_eq!(rows(&mut conn, wrote), expected, "elected: {expected}");
        AnsiTransactionManager::rollback_transaction(&mut conn).unwrap();
    }
}

#[derive(QueryableByName)]
struct Backend {
    #[diesel(sql_type = sql_types::Integer)]
    pid: i32,
}

#[test]
fn a_leader_that_freezes_between_two_statements_holds_nothing() {
    let database = TestDatabase::new();
    let (mut conn, mut frozen) = (database.connect(), database.connect());
    let (first, second) = (worker(&mut conn), worker(&mut conn));
    submit(&mut conn, "s", 1);
    let held = claim(&mut conn);
    assert!(lead(&mut frozen, first));
    let Backend { pid } = sql_query("SELECT pg_backend_pid() AS pid").get_result(&mut frozen).unwrap();
    let locks = format!("SELECT 1 FROM pg_locks WHERE pid = {pid}");
    assert_eq!(rows(&mut conn, &locks), 0, "between two statements");
    expire(&mut conn, held.job_id);
    end_term(&mut conn);
    conn.batch_execute("SET lock_timeout = '1s'").unwrap();
    let round = maintenance::round(&mut conn, second, TERM, GAP).unwrap().unwrap();
    assert_eq!(round.reaped.len(), 1, "the next one does the rest of the round");
    assert!(maintenance::reap(&mut frozen).unwrap().is_empty(), "it thaws and finds nothing to do");
    assert!(!lead(&mut frozen, first));
}

#[test]
fn the_extension_after_a_gap_comes_with_the_election_or_not_at_all() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let (first, second) = (worker(&mut conn), worker(&mut conn));
    submit(&mut conn, "s", 2);
    let (late, fresh) = (claim(&mut conn), claim(&mut conn));
    assert!(lead(&mut conn, first));
    conn.batch_execute("UPDATE maintenance SET last_at = now() - interval '1 hour'").unwrap();
    expire(&mut conn, late.job_id);
    sql_query("UPDATE lease SET expires_at = now() + interval '2 hours' WHERE job_id = $1")
        .bind::<sql_types::BigInt, _>(fresh.job_id)
        .execute(&mut conn)
        .unwrap();

    AnsiTransactionManager::begin_transaction(&mut conn).unwrap();
    assert_eq!(maintenance::lead(&mut conn, first, TERM, GAP).unwrap(), Some(1));
    AnsiTransactionManager::rollback_transaction(&mut conn).unwrap();
    assert_eq!(maintenance::expired(&mut conn).unwrap().len(), 1, "neither");
    assert_eq!(maintenance::lead(&mut conn, first, TERM, GAP).unwrap(), Some(1), "one was over");
    // It dies at once. Its successor sees no gap any more, and must find the leases extended.
    end_term(&mut conn);
    let round = maintenance::round(&mut conn, second, TERM, GAP).unwrap().unwrap();
    assert_eq!((round.extended, round.reaped.len()), (0, 0));
    let left = "SELECT 1 FROM lease WHERE expires_at BETWEEN now() + interval '50 s' AND now() + ttl";
    assert_eq!(rows(&mut conn, left), 1, "by its time to live of {TTL:?}, and no lease that lasts longer");
}
