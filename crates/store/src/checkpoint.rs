//! Pointers to checkpoints, and what becomes of those that nothing points to any more.

use std::time::Duration;

use diesel::{
    ExpressionMethods as _, OptionalExtension as _, PgConnection, QueryDsl as _, QueryResult, Queryable,
    QueryableByName, RunQueryDsl as _, Selectable, SelectableHelper as _, sql_query, sql_types,
};
use domain::{Checkpoint, CheckpointKey, JobId, Lease, SearchId};
use serde::Serialize;

use crate::connection::Stepwise;

/// Jobs whose checkpoints are discarded by one statement.
const BATCH: i64 = 1_000;

/// A committed checkpoint as its table has it.
#[derive(Queryable, QueryableByName, Selectable)]
#[diesel(table_name = crate::schema::checkpoint)]
struct Row {
    step: i32,
    key: Option<String>,
    uri: String,
    bytes: i64,
    sha256: String,
}

impl From<Row> for Checkpoint {
    fn from(row: Row) -> Self {
        let Row { step, key, uri, bytes, sha256 } = row;
        Self { step, key, uri, bytes, sha256 }
    }
}

/// The checkpoints of a job, newest first.
///
/// # Errors
/// Those of the database.
pub fn newest_first(conn: &mut PgConnection, job: JobId) -> QueryResult<Vec<Checkpoint>> {
    use crate::schema::checkpoint::dsl::{checkpoint, job_id, step};
    let rows: Vec<Row> =
        checkpoint.filter(job_id.eq(job)).order(step.desc()).select(Row::as_select()).load(conn)?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// The checkpoints from which a job may go on, newest first: those that it points to, and those that it has discarded and that may
/// still be there. A restored database may point to nothing that exists.
///
/// # Errors
/// Those of the database.
pub fn restorable(conn: &mut PgConnection, job: JobId) -> QueryResult<Vec<Checkpoint>> {
    let rows: Vec<Row> =
        sql_query(include_str!("sql/restorable.sql")).bind::<sql_types::BigInt, _>(job).load(conn)?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// A checkpoint whose pointer was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pruned {
    /// Which it was.
    pub checkpoint: Checkpoint,
    /// Whether it stays as discarded for [`KEPT`]; if not, its object is to be deleted now.
    pub kept: bool,
}

/// Removes the pointers to a job's checkpoints before `step`, under the fence, and returns them. One an hour is kept as discarded.
///
/// # Errors
/// Those of the database.
pub fn prune(conn: &mut PgConnection, lease: Lease, step: i32) -> QueryResult<Vec<Pruned>> {
    #[derive(QueryableByName)]
    struct PrunedRow {
        #[diesel(embed)]
        pointer: Row,
        #[diesel(sql_type = sql_types::Bool)]
        kept: bool,
    }
    let rows: Vec<PrunedRow> = sql_query(include_str!("sql/prune.sql"))
        .bind::<sql_types::BigInt, _>(lease.job_id)
        .bind::<sql_types::BigInt, _>(lease.fence)
        .bind::<sql_types::Uuid, _>(lease.worker_id)
        .bind::<sql_types::Integer, _>(step)
        .load(conn)?;
    Ok(rows
        .into_iter()
        .map(|PrunedRow { pointer, kept }| Pruned { checkpoint: pointer.into(), kept })
        .collect())
}

/// How long discarded checkpoints are kept. A database that is restored to a state of up to 47 hours ago knows of each job one that
/// still exists, discarded within the hour before that state.
pub const KEPT: Duration = Duration::from_secs(48 * 3600);

/// A discarded checkpoint whose object is to be deleted, then its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discarded {
    /// Number of its row.
    pub id: i64,
    /// The job, which may be no more.
    pub job_id: JobId,
    /// Which it was.
    pub checkpoint: Checkpoint,
}

#[derive(QueryableByName)]
struct DiscardedRow {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
    #[diesel(sql_type = sql_types::BigInt)]
    job_id: JobId,
    #[diesel(embed)]
    pointer: Row,
}

impl From<DiscardedRow> for Discarded {
    fn from(row: DiscardedRow) -> Self {
        let DiscardedRow { id, job_id, pointer } = row;
        Self { id, job_id, checkpoint: pointer.into() }
    }
}

/// Takes at most `limit` discarded checkpoints that have been kept long enough, the oldest first. Nobody else takes them for an
/// hour. Delete their objects, then [`forget`] them. Those of a running attempt are left to it: it names itself by its lease.
///
/// # Errors
/// Those of the database.
pub fn take_discarded(
    conn: &mut PgConnection,
    kept: Duration,
    limit: i64,
    own: Option<Lease>,
) -> QueryResult<Vec<Discarded>> {
    use sql_types::{BigInt, Double, Nullable, Uuid};
    let rows: Vec<DiscardedRow> = sql_query(include_str!("sql/take_discarded.sql"))
        .bind::<Double, _>(kept.as_secs_f64())
        .bind::<BigInt, _>(limit)
        .bind::<Nullable<BigInt>, _>(own.map(|lease| lease.job_id))
        .bind::<Nullable<BigInt>, _>(own.map(|lease| lease.fence))
        .bind::<Nullable<Uuid>, _>(own.map(|lease| lease.worker_id))
        .load(conn)?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// The discarded checkpoints that have been kept for so long, the oldest first.
///
/// # Errors
/// Those of the database.
pub fn discarded(conn: &mut PgConnection, kept: Duration) -> QueryResult<Vec<Discarded>> {
    let rows: Vec<DiscardedRow> = sql_query(
        "SELECT id, job_id, step, key, uri, bytes, sha256 FROM discarded_checkpoint \
         WHERE discarded_at <= now() - make_interval(secs => $1) ORDER BY discarded_at, id",
    )
    .bind::<sql_types::Double, _>(kept.as_secs_f64())
    .load(conn)?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Removes the rows of discarded checkpoints whose objects are gone.
///
/// # Errors
/// Those of the database.
pub fn forget(conn: &mut PgConnection, ids: &[i64]) -> QueryResult<usize> {
    use crate::schema::discarded_checkpoint::dsl::{discarded_checkpoint, id};
    diesel::delete(discarded_checkpoint.filter(id.eq_any(ids))).execute(conn)
}

/// Discarded checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName, Serialize)]
pub struct DiscardedTotal {
    /// How many there are.
    #[diesel(sql_type = sql_types::BigInt)]
    pub checkpoints: i64,
    /// Their size.
    #[diesel(sql_type = sql_types::BigInt)]
    pub bytes: i64,
}

/// How many discarded checkpoints have been kept for so long.
///
/// # Errors
/// Those of the database.
pub fn count_discarded(conn: &mut PgConnection, kept: Duration) -> QueryResult<DiscardedTotal> {
    sql_query(
        "SELECT count(*) AS checkpoints, coalesce(sum(bytes), 0)::bigint AS bytes FROM discarded_checkpoint \
         WHERE discarded_at <= now() - make_interval(secs => $1)",
    )
    .bind::<sql_types::Double, _>(kept.as_secs_f64())
    .get_result(conn)
}

/// Which checkpoints of an ended search stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepCheckpoints {
    /// Those of all jobs.
    All,
    /// Those of so many of the best jobs by fitness.
    Best(u32),
    /// Those of none.
    None,
}

/// Discards the checkpoints of an ended search but for those that stay, in batches. `None`: the search has not ended.
///
/// # Errors
/// Those of the database; what was discarded before stays so, and another call goes on.
pub fn discard(
    conn: &mut impl Stepwise,
    search: SearchId,
    keep: KeepCheckpoints,
) -> QueryResult<Option<DiscardedTotal>> {
    #[derive(QueryableByName)]
    struct Batch {
        #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
        last: Option<i64>,
        #[diesel(embed)]
        total: DiscardedTotal,
    }
    let best = match keep {
        KeepCheckpoints::All => return Ok(Some(DiscardedTotal { checkpoints: 0, bytes: 0 })),
        KeepCheckpoints::Best(best) => i64::from(best),
        KeepCheckpoints::None => 0,
    };
    let (mut after, mut total) = (0, DiscardedTotal { checkpoints: 0, bytes: 0 });
    loop {
        let batch = sql_query(include_str!("sql/discard_checkpoints.sql"))
            .bind::<sql_types::BigInt, _>(search)
            .bind::<sql_types::BigInt, _>(after)
            .bind::<sql_types::BigInt, _>(BATCH)
            .bind::<sql_types::BigInt, _>(best);
        let batch: Option<Batch> = conn.step(|conn| batch.get_result(conn).optional())?;
        let Some(batch) = batch else { return Ok(None) };
        total.checkpoints += batch.total.checkpoints;
        total.bytes += batch.total.bytes;
        match batch.last {
            Some(last) => after = last,
            None => return Ok(Some(total)),
        }
    }
}

/// An object that nothing points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Orphan {
    /// Its place in the list that was given, from 1.
    #[diesel(sql_type = sql_types::BigInt)]
    pub place: i64,
    /// Whether this database knows the attempt that wrote it; if not, the object may belong to another database.
    #[diesel(sql_type = sql_types::Bool)]
    pub known: bool,
}

/// Which of some objects no row points to and none ever will. They must have been listed before the call: what is written
/// later may be pointed to.
///
/// # Errors
/// Those of the database.
pub fn orphans(conn: &mut PgConnection, listed: &[CheckpointKey]) -> QueryResult<Vec<Orphan>> {
    use sql_types::{Array, BigInt, Integer, Nullable, Uuid};
    sql_query(include_str!("sql/orphans.sql"))
        .bind::<Array<BigInt>, _>(listed.iter().map(|key| key.job_id).collect::<Vec<_>>())
        .bind::<Array<Integer>, _>(listed.iter().map(|key| key.step).collect::<Vec<_>>())
        .bind::<Array<BigInt>, _>(listed.iter().map(|key| key.fence).collect::<Vec<_>>())
        .bind::<Array<Nullable<Uuid>>, _>(listed.iter().map(|key| key.worker_id).collect::<Vec<_>>())
        .load(conn)
}
