//! What a report is cited by.

use chrono::{DateTime, Utc};
use diesel::{OptionalExtension as _, PgConnection, QueryableByName, RunQueryDsl as _, sql_query, sql_types};
use serde::Serialize;

use crate::{Filter, ReportError};

/// What a report is cited by: enough to find the search, and to know at which moment it was read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Citation {
    /// Name of the search.
    pub search: String,
    /// SHA-256 of its effective specification.
    pub spec_hash: String,
    /// Engine of the predictor.
    pub engine: String,
    /// Version of peng that submitted the search.
    pub version: String,
    /// Version of peng that made this report.
    pub report_version: &'static str,
    /// running, paused, finished or cancelled.
    pub state: String,
    /// Jobs of the search.
    pub jobs: i64,
    /// Of these, ended.
    pub ended: i64,
    /// Epochs of a full training.
    pub max_epochs: f64,
    /// Evaluation interval in epochs.
    pub interval: f64,
    /// The restriction of `--since` and `--where`, in words.
    pub filter: Option<String>,
    /// When it was submitted.
    pub created_at: DateTime<Utc>,
    /// When it finished.
    pub finished_at: Option<DateTime<Utc>>,
    /// The database's time when it was read.
    pub as_of: DateTime<Utc>,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = sql_types::BigInt)]
    search_id: i64,
    #[diesel(sql_type = sql_types::Text)]
    search: String,
    #[diesel(sql_type = sql_types::Text)]
    state: String,
    #[diesel(sql_type = sql_types::Text)]
    engine: String,
    #[diesel(sql_type = sql_types::Text)]
    spec_hash: String,
    #[diesel(sql_type = sql_types::Text)]
    version: String,
    #[diesel(sql_type = sql_types::Double)]
    max_epochs: f64,
    #[diesel(sql_type = sql_types::Double)]
    interval_epochs: f64,
    #[diesel(sql_type = sql_types::Timestamptz)]
    created_at: DateTime<Utc>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Timestamptz>)]
    finished_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = sql_types::Timestamptz)]
    as_of: DateTime<Utc>,
    #[diesel(sql_type = sql_types::BigInt)]
    jobs: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    ended: i64,
    #[diesel(sql_type = sql_types::Jsonb)]
    spec: serde_json::Value,
}

/// The number of a search, its citation and its specification.
pub(crate) fn read(
    conn: &mut PgConnection,
    name: &str,
    filter: &Filter,
) -> Result<(i64, Citation, serde_json::Value), ReportError> {
    let row = sql_query(include_str!("citation.sql"))
        .bind::<sql_types::Text, _>(name)
        .get_result::<Row>(conn)
        .optional()
        .map_err(|source| ReportError::Query { statement: "citation", source })?;
    let Some(row) = row else {
        return Err(no_search(conn, name)?);
    };
    let citation = Citation {
        search: row.search,
        spec_hash: row.spec_hash,
        engine: row.engine,
        version: row.version,
        report_version: env!("CARGO_PKG_VERSION"),
        state: row.state,
        jobs: row.jobs,
        ended: row.ended,
        max_epochs: row.max_epochs,
        interval: row.interval_epochs,
        filter: filter.words(),
        created_at: row.created_at,
        finished_at: row.finished_at,
        as_of: row.as_of,
    };
    Ok((row.search_id, citation, row.spec))
}

/// The error that names the nearest search there is.
fn no_search(conn: &mut PgConnection, name: &str) -> Result<ReportError, ReportError> {
    #[derive(QueryableByName)]
    struct Name {
        #[diesel(sql_type = sql_types::Text)]
        name: String,
    }
    let names = sql_query(include_str!("searches.sql"))
        .load::<Name>(conn)
        .map_err(|source| ReportError::Query { statement: "searches", source })?;
    let nearest = names.into_iter().max_by(|a, b| {
        let (a, b) = (strsim::jaro_winkler(&a.name, name), strsim::jaro_winkler(&b.name, name));
        a.total_cmp(&b)
    });
    let hint = nearest.map(|n| n.name).filter(|n| strsim::jaro_winkler(n, name) > 0.7);
    Ok(ReportError::NoSearch { name: name.to_owned(), hint })
}
