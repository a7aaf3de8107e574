//! What one report reads: one search, some of its jobs, one moment.

use diesel::pg::Pg;
use diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use diesel::{PgConnection, RunQueryDsl as _, sql_query, sql_types};

use crate::{Citation, Filter, ReportError, citation};

/// A search with the jobs of it that a report is about.
pub(crate) struct Scope<'a> {
    pub id: i64,
    pub citation: Citation,
    pub filter: &'a Filter,
}

impl<'a> Scope<'a> {
    pub fn open(conn: &mut PgConnection, search: &str, filter: &'a Filter) -> Result<Self, ReportError> {
        let (id, citation) = citation::read(conn, search, filter)?;
        Ok(Self { id, citation, filter })
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
    conn.build_transaction().read_only().repeatable_read().run(|conn| {
        for setting in ["SET LOCAL jit = off", "SET LOCAL work_mem = '64MB'"] {
            sql_query(setting).execute(conn).map_err(failed("settings"))?;
        }
        report(conn)
    })
}
