//! Text of foreign origin, as a program prints it: cleaned and cut before it reaches the database.

#![expect(clippy::unwrap_used, reason = "a test")]

mod support;

use diesel::{PgConnection, QueryableByName, RunQueryDsl as _, sql_query, sql_types};
use domain::Lease;
use store::{
    finish::{self, JobEnd},
    job::Outcome,
    lease::{self, GiveBack},
    worker::set_fault,
};
use support::{TTL, claim, submit};
use testing::TestDatabase;

/// A NUL, a megabyte, and what must remain of both ends.
fn foreign() -> String {
    format!("first \0 {}\0 last", "é\0".repeat(1 << 19))
}

/// A statement that stores such a text, twice where it takes a log as well.
type Statement = fn(&mut PgConnection, Lease, &str);

const STATEMENTS: &[(&str, Statement, &[&str])] = &[
    (
        "finish",
        |conn, lease, text| {
            finish::finish(
                conn,
                lease,
                JobEnd { error: Some(text), log: Some(text), ..JobEnd::plain(Outcome::Failed) },
            )
            .unwrap()
            .unwrap();
        },
        &[
            "SELECT error AS text FROM result",
            "SELECT error AS text FROM attempt",
            "SELECT log AS text FROM attempt",
        ],
    ),
    (
        "retry",
        |conn, lease, text| {
            lease::retry(conn, lease, text, text, TTL).unwrap().unwrap();
        },
        &["SELECT error AS text FROM attempt", "SELECT log AS text FROM attempt"],
    ),
    (
        "retry for the last time",
        |conn, lease, text| {
            sql_query("UPDATE job SET crashes = 4").execute(conn).unwrap();
            lease::retry(conn, lease, text, text, TTL).unwrap().unwrap();
        },
        &[
            "SELECT substr(error, strpos(error, 'first')) AS text FROM result",
            "SELECT log AS text FROM attempt",
        ],
    ),
    (
        "host fault",
        |conn, lease, text| {
            lease::release(conn, lease, GiveBack::HostFault { error: text }).unwrap().unwrap();
        },
        &["SELECT error AS text FROM attempt"],
    ),
    (
        "snooze",
        |conn, lease, text| {
            lease::release(conn, lease, GiveBack::Snooze { error: text, pause: TTL }).unwrap().unwrap();
        },
        &["SELECT error AS text FROM attempt"],
    ),
    (
        "set_fault",
        |conn, lease, text| set_fault(conn, lease.worker_id, Some(text)).unwrap(),
        &["SELECT fault AS text FROM worker"],
    ),
];

#[derive(QueryableByName)]
struct Stored {
    #[diesel(sql_type = sql_types::Text)]
    text: String,
}

#[test]
fn a_nul_byte_and_a_megabyte_are_stored_cleaned_and_cut() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    for (name, statement, places) in STATEMENTS {
        support::clear(&mut conn);
        submit(&mut conn, "s", 1);
        let held = claim(&mut conn);
        statement(&mut conn, held, &foreign());
        for place in *places {
            let Stored { text } = sql_query(*place).get_result(&mut conn).unwrap();
            assert!(text.starts_with("first ␀ é␀") && text.ends_with("é␀␀ last"), "{name}, {place}");
            assert!(
                text.contains("bytes left out") && text.len() <= 8 * 1024,
                "{name}, {place}: {}",
                text.len()
            );
        }
    }
}
