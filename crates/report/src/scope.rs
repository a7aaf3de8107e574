//! What one report reads: one search, some of its jobs, one moment.

use std::panic;
use std::thread;

use diesel::pg::Pg;
use diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use diesel::{PgConnection, QueryableByName, RunQueryDsl as _, sql_query, sql_types};
use store::connection::{LONG_READS, local_time_outs};

use crate::{Citation, Filter, ReportError, citation};

/// A search with the jobs of it that a report is about.
pub(crate) struct Scope<'a> {
    pub id: i64,
    pub citation: Citation,
    /// The effective specification.
    pub spec: serde_json::Value,
    pub filter: &'a Filter,
}

impl<'a> Scope<'a> {
    pub fn open(conn: &mut PgConnection, search: &str, filter: &'a Filter) -> Result<Self, ReportError> {
        let (id, citation, spec) = citation::read(conn, search, filter)?;
        Ok(Self { id, citation, spec, filter })
    }

    /// A statement over `job_outcome` with the number of the search as `$1` and the filter in its place.
    pub fn query(&self, sql: &str) -> BoxedSqlQuery<'static, Pg, SqlQuery> {
        sql_query(self.text(sql)).into_boxed::<Pg>().bind::<sql_types::BigInt, _>(self.id)
    }

    pub fn text(&self, sql: &str) -> String {
        sql.replace("/* and filter */", &self.filter.sql())
    }

    pub fn max_epochs(&self) -> f64 {
        self.citation.max_epochs
    }
}

/// Names the statement in the error.
pub(crate) fn failed(statement: &'static str) -> impl FnOnce(diesel::result::Error) -> ReportError {
    move |source| ReportError::Query { statement, source }
}

/// Runs a report on one snapshot, so that all its figures belong together. The compiler of queries costs more than it
/// saves here; the memory holds the hashes and sorts of 100,000 jobs, which otherwise go to disk.
pub(crate) fn snapshot<T>(
    conn: &mut PgConnection,
    report: impl FnOnce(&mut PgConnection) -> Result<T, ReportError>,
) -> Result<T, ReportError> {
    snapshot_of(conn, None, report)
}

/// Runs two parts of a report at the same time, each on a connection of its own, on one snapshot. Both begin with what
/// `both` reads first.
pub(crate) fn snapshots<S: Sync, A, B: Send>(
    [first, second]: [&mut PgConnection; 2],
    both: impl FnOnce(&mut PgConnection) -> Result<S, ReportError>,
    one: impl FnOnce(&S, &mut PgConnection) -> Result<A, ReportError>,
    other: impl FnOnce(&S, &mut PgConnection) -> Result<B, ReportError> + Send,
) -> Result<(A, B), ReportError> {
    #[derive(QueryableByName)]
    struct Exported {
        #[diesel(sql_type = sql_types::Text)]
        name: String,
    }
    snapshot(first, |first| {
        let snapshot: Exported = sql_query("SELECT pg_export_snapshot() AS name")
            .get_result(first)
            .map_err(failed("export of the snapshot"))?;
        let shared = &both(first)?;
        thread::scope(|scope| {
            let other =
                scope.spawn(|| snapshot_of(second, Some(snapshot.name), |second| other(shared, second)));
            let one = one(shared, first);
            let other = other.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked));
            Ok((one?, other?))
        })
    })
}

/// `exported`: the snapshot of a transaction that is open elsewhere, instead of a new one.
fn snapshot_of<T>(
    conn: &mut PgConnection,
    exported: Option<String>,
    report: impl FnOnce(&mut PgConnection) -> Result<T, ReportError>,
) -> Result<T, ReportError> {
    conn.build_transaction().read_only().repeatable_read().run(|conn| {
        if let Some(name) = exported {
            // The server names it, in hexadecimal digits and hyphens; a statement of this kind takes no parameter.
            sql_query(format!("SET TRANSACTION SNAPSHOT '{name}'"))
                .execute(conn)
                .map_err(failed("import of the snapshot"))?;
        }
        // Behind a pooler the session has no time-outs.
        let time_outs = local_time_outs(&LONG_READS);
        for setting in ["SET LOCAL jit = off", "SET LOCAL work_mem = '64MB'", &time_outs] {
            sql_query(setting).execute(conn).map_err(failed("settings"))?;
        }
        report(conn)
    })
}

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection as _;
    use diesel::prelude::*;
    use testing::TestDatabase;

    use super::*;

    #[test]
    fn a_session_without_time_outs_gets_those_of_long_reads() {
        let database = TestDatabase::new();
        let mut conn = PgConnection::establish(&database.url()).unwrap();
        let within = snapshot(&mut conn, |conn| {
            Ok(LONG_READS.map(|(name, _)| {
                let setting = format!("current_setting('{name}')");
                diesel::select(diesel::dsl::sql::<sql_types::Text>(&setting))
                    .get_result::<String>(conn)
                    .unwrap()
            }))
        });
        assert_eq!(within.unwrap(), ["0", "10s", "10min"].map(str::to_owned));
    }

    #[test]
    fn both_connections_see_one_moment() {
        let database = TestDatabase::new();
        let [first, second, writer] = &mut [database.connect(), database.connect(), database.connect()];
        writer.batch_execute("CREATE TABLE seen (i integer)").unwrap();
        let seen = |conn: &mut PgConnection| {
            diesel::select(diesel::dsl::sql::<sql_types::BigInt>("(SELECT count(*) FROM seen)"))
                .get_result::<i64>(conn)
                .map_err(failed("seen"))
        };
        let (written, wait) = std::sync::mpsc::channel();
        let one = |(): &(), conn: &mut PgConnection| {
            writer.batch_execute("INSERT INTO seen VALUES (1)").map_err(failed("write"))?;
            written.send(()).unwrap();
            seen(conn)
        };
        let other = move |(): &(), conn: &mut PgConnection| {
            wait.recv().unwrap();
            seen(conn)
        };
        assert_eq!(snapshots([first, second], |_| Ok(()), one, other).unwrap(), (0, 0));
        assert_eq!(seen(first).unwrap(), 1);
    }
}
