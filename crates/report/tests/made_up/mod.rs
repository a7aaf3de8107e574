//! Made-up searches.

use diesel::{PgConnection, RunQueryDsl as _, connection::SimpleConnection as _, sql_query, sql_types};

/// A search of `jobs` jobs of 20 epochs with curves that can be told apart: every tenth audited, two promoted, one
/// diverged, one failed, one still running; two workers.
pub fn search(conn: &mut PgConnection, name: &str, jobs: i32) {
    sql_query(include_str!("jobs.sql"))
        .bind::<sql_types::Text, _>(name)
        .bind::<sql_types::Integer, _>(jobs)
        .execute(conn)
        .unwrap();
    conn.batch_execute(include_str!("curves.sql")).unwrap();
    conn.batch_execute("ANALYZE").unwrap();
}
