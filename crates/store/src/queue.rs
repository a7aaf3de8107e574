//! Claiming: one short statement, after which nothing stays locked while the job trains.

use std::time::{Duration, Instant};

use diesel::{
    OptionalExtension as _, PgConnection, QueryResult, QueryableByName, RunQueryDsl as _, sql_query,
    sql_types,
};
use uuid::Uuid;

use crate::{job::JobMode, lease::Lease, schema::sql_types as pg};

/// A job that this worker may train now.
#[derive(Debug, Clone, QueryableByName)]
pub struct Claim {
    /// The job.
    #[diesel(sql_type = sql_types::BigInt)]
    pub job_id: i64,
    /// Fence of this attempt.
    #[diesel(sql_type = sql_types::BigInt)]
    pub fence: i64,
    /// Its search.
    #[diesel(sql_type = sql_types::BigInt)]
    pub search_id: i64,
    /// What it trains.
    #[diesel(sql_type = sql_types::BigInt)]
    pub architecture_id: i64,
    /// Seed of weights, data order and augmentation.
    #[diesel(sql_type = sql_types::BigInt)]
    pub seed: i64,
    /// Whether decisions are obeyed.
    #[diesel(sql_type = pg::JobMode)]
    pub mode: JobMode,
    /// Its priority.
    #[diesel(sql_type = sql_types::SmallInt)]
    pub priority: i16,
    /// Crashes so far.
    #[diesel(sql_type = sql_types::SmallInt)]
    pub crashes: i16,
    /// FLOPs of its network.
    #[diesel(sql_type = sql_types::BigInt)]
    pub flops: i64,
    /// What to train.
    #[diesel(sql_type = sql_types::Jsonb)]
    pub genome: serde_json::Value,
}

impl Claim {
    /// The right that comes with it.
    pub fn lease(&self) -> Lease {
        Lease { job_id: self.job_id, fence: self.fence }
    }
}

/// Claims jobs of one class for one worker.
///
/// It remembers where it claimed last and begins behind it, so that it does not read past the dead index entries of
/// all jobs claimed since somebody took a snapshot. Retries and higher priorities stand before that place: the head of
/// the queue is looked at again after a second, or after fifty times what that look took, if that is longer.
#[derive(Debug)]
pub struct Claimer {
    class: String,
    worker_id: Uuid,
    ttl: Duration,
    place: Option<(i16, i64)>,
    head_again: Instant,
}

impl Claimer {
    /// A claimer that has claimed nothing yet.
    pub fn new(class: impl Into<String>, worker_id: Uuid, ttl: Duration) -> Self {
        Self { class: class.into(), worker_id, ttl, place: None, head_again: Instant::now() }
    }

    /// The next job, leased for the time to live, or `None` where no job of the class is ready.
    ///
    /// # Errors
    /// Those of the database.
    pub fn claim(&mut self, conn: &mut PgConnection) -> QueryResult<Option<Claim>> {
        let claim = match self.place {
            Some((priority, id)) if Instant::now() < self.head_again => {
                self.after(conn, priority, id)?.map_or_else(|| self.head(conn), |claim| Ok(Some(claim)))?
            }
            _ => self.head(conn)?,
        };
        self.place = claim.as_ref().map(|claim| (claim.priority, claim.job_id));
        Ok(claim)
    }

    fn after(&self, conn: &mut PgConnection, priority: i16, id: i64) -> QueryResult<Option<Claim>> {
        sql_query(include_str!("sql/claim_after.sql"))
            .bind::<sql_types::Text, _>(&self.class)
            .bind::<sql_types::Uuid, _>(self.worker_id)
            .bind::<sql_types::Double, _>(self.ttl.as_secs_f64())
            .bind::<sql_types::SmallInt, _>(priority)
            .bind::<sql_types::BigInt, _>(id)
            .get_result(conn)
            .optional()
    }

    fn head(&mut self, conn: &mut PgConnection) -> QueryResult<Option<Claim>> {
        let start = Instant::now();
        let claim = sql_query(include_str!("sql/claim_head.sql"))
            .bind::<sql_types::Text, _>(&self.class)
            .bind::<sql_types::Uuid, _>(self.worker_id)
            .bind::<sql_types::Double, _>(self.ttl.as_secs_f64())
            .get_result(conn)
            .optional();
        self.head_again = Instant::now() + (start.elapsed() * 50).max(Duration::from_secs(1));
        claim
    }
}

/// Whether no job of a class is ready, waiting or running: nothing will come unless somebody enqueues it.
///
/// # Errors
/// Those of the database.
pub fn is_dry(conn: &mut PgConnection, class: &str) -> QueryResult<bool> {
    let open = sql_query(
        "SELECT 1 FROM job WHERE class = $1 AND (state = 'ready' OR state = 'waiting' OR id IN (SELECT job_id FROM lease)) LIMIT 1",
    );
    Ok(open.bind::<sql_types::Text, _>(class).execute(conn)? == 0)
}
