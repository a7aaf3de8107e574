//! Endings of jobs: the result row, and the order in which engines learn of them.

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods as _, OptionalExtension as _, PgConnection, QueryDsl as _, QueryResult, Queryable,
    QueryableByName, RunQueryDsl as _, Selectable, SelectableHelper as _, sql_query, sql_types,
};

use domain::{JobId, Lease, Ordinal, SearchId, for_people};
use serde::Serialize;

use crate::{job::Outcome, schema::sql_types as pg, statement::prepared};

/// A job that was ended.
#[derive(Debug, Clone, PartialEq, QueryableByName)]
pub struct Finished {
    /// Its search.
    #[diesel(sql_type = sql_types::BigInt)]
    pub search_id: SearchId,
    /// What it is ranked by; none if it diverged, failed or was cancelled.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    pub fitness: Option<f64>,
}

/// How a job ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobEnd<'a> {
    /// With what.
    pub outcome: Outcome,
    /// The evaluation interval after which that was decided, for a job that is completed or terminated: its observation has to
    /// be there.
    pub step: Option<i32>,
    /// The error of a failed job.
    pub error: Option<&'a str>,
    /// The last lines of the worker's log.
    pub log: Option<&'a str>,
}

impl JobEnd<'_> {
    /// An end that says all by its outcome.
    pub fn plain(outcome: Outcome) -> Self {
        Self { outcome, step: None, error: None, log: None }
    }
}

/// Ends a job: the lease goes, the one result row is written, the state is set. `None`: fenced out, or the observation of its
/// step is not there; nothing was written.
///
/// # Errors
/// Those of the database.
pub fn finish(conn: &mut PgConnection, lease: Lease, end: JobEnd<'_>) -> QueryResult<Option<Finished>> {
    use sql_types::{BigInt, Integer, Nullable, Text, Uuid};
    prepared(
        sql_query(include_str!("sql/finish.sql"))
            .bind::<BigInt, _>(lease.job_id)
            .bind::<BigInt, _>(lease.fence)
            .bind::<Uuid, _>(lease.worker_id)
            .bind::<Text, _>(end.outcome.as_str())
            .bind::<Nullable<Text>, _>(end.error.map(for_people))
            .bind::<Nullable<Text>, _>(end.log.map(for_people))
            .bind::<Nullable<Integer>, _>(end.step),
    )
    .get_result(conn)
    .optional()
}

/// One ending, as an engine learns of it.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable)]
#[diesel(table_name = crate::schema::finish)]
pub struct Finish {
    /// Identity, for ever: another ending may get the same place after a fail-over that lost this one.
    pub id: i64,
    /// Place in the order of endings of the search, from 1.
    pub ordinal: Option<Ordinal>,
    /// The job.
    pub job_id: JobId,
    /// Its last step then.
    pub step: i32,
    /// How it ended.
    pub outcome: Outcome,
    /// Its fitness: measured if completed, predicted if terminated.
    pub fitness: Option<f64>,
}

impl Finish {
    /// What has been read once this ending has.
    pub fn cursor(&self) -> Cursor {
        Cursor { ordinal: self.ordinal.unwrap_or_default(), id: self.id }
    }
}

/// The last ending of a search that somebody has read; none at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursor {
    /// Its place.
    pub ordinal: Ordinal,
    /// Which one it was.
    id: i64,
}

impl Cursor {
    pub(crate) fn new(ordinal: Ordinal, id: i64) -> Self {
        Self { ordinal, id }
    }

    pub(crate) fn id(self) -> i64 {
        self.id
    }
}

/// The endings of a search after the one that was read last, in order. Endings that are committed and not numbered yet are
/// numbered first, so that what one worker has seen is always a prefix of what the next one sees. `None`: the one that was read
/// last is no longer there, as after a fail-over that lost it, and all has to be read anew.
///
/// # Errors
/// Those of the database.
pub fn since(conn: &mut PgConnection, search: SearchId, seen: Cursor) -> QueryResult<Option<Vec<Finish>>> {
    use crate::schema::finish::dsl::{finish, ordinal, search_id};
    number(conn, search)?;
    let mut endings: Vec<Finish> = finish
        .filter(search_id.eq(search))
        .filter(ordinal.ge(seen.ordinal))
        .order(ordinal)
        .select(Finish::as_select())
        .load(conn)?;
    if seen == Cursor::default() {
        return Ok(Some(endings));
    }
    if endings.first().map(Finish::cursor) != Some(seen) {
        return Ok(None);
    }
    Ok(Some(endings.split_off(1)))
}

/// One line of `peng search results`: an ending as it was. A job that was resumed or retried ends again, with a new cursor.
#[derive(Debug, Clone, QueryableByName, Serialize)]
pub struct Ending {
    /// Place in the order of endings of the search, from 1: ask for what came after it.
    #[diesel(sql_type = sql_types::BigInt)]
    pub cursor: Ordinal,
    /// The job.
    #[diesel(sql_type = sql_types::BigInt)]
    pub job: JobId,
    /// Canonical hash of the genome.
    #[diesel(sql_type = sql_types::Text)]
    pub hash: String,
    /// How it ended.
    #[diesel(sql_type = pg::Outcome)]
    pub outcome: Outcome,
    /// Fitness in per cent, where the outcome gave one.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    pub fitness: Option<f64>,
    /// measured, predicted, or observed: see the view `job_outcome`.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub fitness_source: Option<String>,
    /// Epochs trained.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    pub epochs: Option<f64>,
    /// Last observed validation accuracy in per cent.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    pub last_fitness: Option<f64>,
    /// Trainable parameters, if known.
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    pub parameters: Option<i64>,
    /// FLOPs of one forward pass of one image, if known.
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    pub flops: Option<i64>,
    /// Seed of the training.
    #[diesel(sql_type = sql_types::BigInt)]
    pub seed: i64,
    /// When it ended.
    #[diesel(sql_type = sql_types::Timestamptz)]
    pub finished_at: DateTime<Utc>,
    /// The error of a failed job.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    pub error: Option<String>,
    /// The genome, as it was given or proposed.
    #[diesel(sql_type = sql_types::Jsonb)]
    pub genome: serde_json::Value,
}

/// What ended in a search after the ending of this cursor, in order: read on from the last one's, and nothing is missed
/// or comes twice, however the jobs overtake each other.
///
/// # Errors
/// Those of the database.
pub fn results(conn: &mut PgConnection, search: SearchId, after: Ordinal) -> QueryResult<Vec<Ending>> {
    number(conn, search)?;
    sql_query(include_str!("sql/endings.sql"))
        .bind::<sql_types::BigInt, _>(search)
        .bind::<sql_types::BigInt, _>(after)
        .load(conn)
}

/// Numbers the endings and freezes of a search that were committed since somebody did.
pub(crate) fn number(conn: &mut PgConnection, search: SearchId) -> QueryResult<()> {
    let unnumbered = "SELECT 1 WHERE EXISTS (SELECT FROM finish WHERE search_id = $1 AND ordinal IS NULL) \
                      OR EXISTS (SELECT FROM freezing WHERE search_id = $1 AND ordinal IS NULL)";
    if sql_query(unnumbered).bind::<sql_types::BigInt, _>(search).execute(conn)? == 0 {
        return Ok(());
    }
    sql_query(include_str!("sql/number.sql")).bind::<sql_types::BigInt, _>(search).execute(conn).map(|_| ())
}
