//! Claiming: one short statement, after which nothing stays locked while the job trains.

use std::time::{Duration, Instant};

use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, OptionalExtension as _, PgConnection, QueryDsl as _,
    QueryResult, QueryableByName, RunQueryDsl as _, sql_query, sql_types,
};
use domain::{Fence, JobId, Lease, SearchId};
use uuid::Uuid;

use crate::{
    job::{JobMode, JobState},
    schema::sql_types as pg,
    statement::prepared,
};

/// A job that this worker may train now.
#[derive(Debug, Clone, QueryableByName)]
pub struct Claim {
    /// The job.
    #[diesel(sql_type = sql_types::BigInt)]
    pub job_id: JobId,
    /// Fence of this attempt.
    #[diesel(sql_type = sql_types::BigInt)]
    pub fence: Fence,
    /// The worker that has it.
    #[diesel(sql_type = sql_types::Uuid)]
    pub worker_id: Uuid,
    /// Its search.
    #[diesel(sql_type = sql_types::BigInt)]
    pub search_id: SearchId,
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
    /// For a terminated job resumed for one interval: the evaluation interval with which it ends again.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Integer>)]
    pub thaw_until: Option<i32>,
}

impl Claim {
    /// Whether the job has ended before and keeps that result until it ends again.
    pub fn is_resumed(&self) -> bool {
        self.thaw_until.is_some() || self.mode == JobMode::Promoted
    }

    /// The right that comes with it.
    pub fn lease(&self) -> Lease {
        Lease { job_id: self.job_id, fence: self.fence, worker_id: self.worker_id }
    }
}

/// Where a job stands in the queue: negated priority, then id.
type Place = (i32, i64);
/// Before all jobs.
const HEAD: Place = (i32::MIN, 0);
/// Least time between two walks through what stands before the furthest place.
const REST: Duration = Duration::from_secs(1);
/// How much longer the worker rests from such walks than they took it.
const THRIFT: u32 = 50;

/// Claims jobs of one class for one worker.
///
/// It walks through the queue: each claim begins behind the place of the one before, so that it does not read past the
/// dead index entries of all jobs claimed since somebody took a snapshot. Retries and higher priorities turn up before
/// that place, so the walk begins anew at the head of the queue after a second, or after fifty times what the way from
/// the head to the furthest place took more than as many claims there, if that is longer. At the end of the queue it
/// begins anew at once.
#[derive(Debug)]
pub struct Claimer {
    class: String,
    worker_id: Uuid,
    ttl: Duration,
    /// Searches whose jobs it leaves to others.
    left_out: Vec<SearchId>,
    place: Place,
    furthest: Place,
    /// How long the last claim from the furthest place took.
    usual: Duration,
    /// What the walk from the head has taken beyond that.
    extra: Duration,
    /// When it may begin at the head again.
    again: Instant,
}

impl Claimer {
    /// A claimer that has claimed nothing yet.
    pub fn new(class: impl Into<String>, worker_id: Uuid, ttl: Duration) -> Self {
        Self {
            class: class.into(),
            worker_id,
            ttl,
            left_out: Vec::new(),
            place: HEAD,
            furthest: HEAD,
            usual: Duration::ZERO,
            extra: Duration::ZERO,
            again: Instant::now(),
        }
    }

    /// Claims no job of these searches any more.
    pub fn leave_out(&mut self, searches: Vec<SearchId>) {
        self.left_out = searches;
    }

    /// The next job, leased for the time to live, or `None` where no job of the class is ready but those that it leaves out.
    ///
    /// # Errors
    /// Those of the database.
    pub fn claim(&mut self, conn: &mut PgConnection) -> QueryResult<Option<Claim>> {
        if Instant::now() >= self.again {
            self.place = HEAD;
        }
        match self.step(conn)? {
            None if self.place != HEAD => {
                self.place = HEAD;
                self.step(conn)
            }
            claim => Ok(claim),
        }
    }

    /// One claim from the place where the walk is.
    fn step(&mut self, conn: &mut PgConnection) -> QueryResult<Option<Claim>> {
        let (start, behind) = (Instant::now(), self.place < self.furthest);
        let claim = self.claim_behind(conn, self.place)?;
        if behind {
            self.extra += start.elapsed().saturating_sub(self.usual);
        } else {
            self.usual = start.elapsed();
        }
        if let Some(claim) = &claim {
            self.place = (-i32::from(claim.priority), claim.job_id.0);
        }
        if (behind || self.furthest == HEAD) && (claim.is_none() || self.place >= self.furthest) {
            self.again = Instant::now() + (std::mem::take(&mut self.extra) * THRIFT).max(REST);
        }
        self.furthest = self.furthest.max(self.place);
        Ok(claim)
    }

    fn claim_behind(&self, conn: &mut PgConnection, place: Place) -> QueryResult<Option<Claim>> {
        prepared(
            sql_query(include_str!("sql/claim.sql"))
                .bind::<sql_types::Text, _>(&self.class)
                .bind::<sql_types::Uuid, _>(self.worker_id)
                .bind::<sql_types::Double, _>(self.ttl.as_secs_f64())
                .bind::<sql_types::Integer, _>(place.0)
                .bind::<sql_types::BigInt, _>(place.1)
                .bind::<sql_types::Array<sql_types::BigInt>, _>(&self.left_out),
        )
        .get_result(conn)
        .optional()
    }
}

/// The first of some searches that has a ready job of the class.
///
/// # Errors
/// Those of the database.
pub fn first_ready(
    conn: &mut PgConnection,
    class: &str,
    searches: &[SearchId],
) -> QueryResult<Option<SearchId>> {
    use crate::schema::job::dsl;
    dsl::job
        .select(dsl::search_id)
        .filter(dsl::state.eq(JobState::Ready).and(dsl::class.eq(class)).and(dsl::search_id.eq_any(searches)))
        .first(conn)
        .optional()
}

/// Whether no job of a class is ready, waiting or running: nothing will come unless somebody enqueues it.
///
/// # Errors
/// Those of the database.
pub fn is_drained(conn: &mut PgConnection, class: &str) -> QueryResult<bool> {
    // Three looks by index: one condition for all would go through every job that there has ever been.
    let open = sql_query(
        "SELECT 1 WHERE EXISTS (SELECT FROM job WHERE class = $1 AND state = 'ready') \
         OR EXISTS (SELECT FROM job WHERE class = $1 AND state = 'waiting') \
         OR EXISTS (SELECT FROM lease WHERE (SELECT class FROM job WHERE job.id = lease.job_id) = $1)",
    );
    Ok(open.bind::<sql_types::Text, _>(class).execute(conn)? == 0)
}
