//! Claiming: one short statement, after which nothing stays locked while the job trains.

mod turns;
mod walk;

use std::{collections::HashMap, time::Duration};

use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, OptionalExtension as _, PgConnection, QueryDsl as _,
    QueryResult, QueryableByName, RunQueryDsl as _, sql_query, sql_types,
};
use domain::{Fence, JobId, Lease, SearchId};
use uuid::Uuid;

pub use turns::Turns;

use crate::{
    job::{JobMode, JobState},
    schema::sql_types as pg,
    statement::prepared,
};
use walk::Walk;

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
    /// For a job that was set aside and is taken up again: its last evaluation interval then.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Integer>)]
    pub frozen_at: Option<i32>,
}

impl Claim {
    /// Whether the job has ended before and keeps that result until it ends again.
    pub fn is_resumed(&self) -> bool {
        self.mode == JobMode::Promoted
    }

    /// The right that comes with it.
    pub fn lease(&self) -> Lease {
        Lease { job_id: self.job_id, fence: self.fence, worker_id: self.worker_id }
    }
}

/// Claims jobs of one class for one worker: in the search whose turn it is, by a walk through the queue of that search.
#[derive(Debug)]
pub struct Claimer {
    class: String,
    worker_id: Uuid,
    ttl: Duration,
    turns: Turns,
    walks: HashMap<SearchId, Walk>,
    /// Searches whose jobs it leaves to others.
    left_out: Vec<SearchId>,
}

impl Claimer {
    /// A claimer that has claimed nothing yet, and looks by itself whose turn it is.
    pub fn new(class: impl Into<String>, worker_id: Uuid, ttl: Duration) -> Self {
        let (turns, walks, left_out) = (Turns::default(), HashMap::new(), Vec::new());
        Self { class: class.into(), worker_id, ttl, turns, walks, left_out }
    }

    /// The same, which shares with other claimers of its class what they saw.
    #[must_use]
    pub fn sharing(self, turns: Turns) -> Self {
        Self { turns, ..self }
    }

    /// Claims no job of these searches any more.
    pub fn leave_out(&mut self, searches: Vec<SearchId>) {
        self.left_out = searches;
    }

    /// The next job, leased for the time to live, or `None` where no job of the class may start but those that it leaves out.
    ///
    /// # Errors
    /// Those of the database.
    pub fn claim(&mut self, conn: &mut PgConnection) -> QueryResult<Option<Claim>> {
        self.claim_or(conn, |_, _| Ok(None))
    }

    /// As [`Self::claim`], but in the search whose turn it is a job that `before` claims goes before those that wait.
    ///
    /// # Errors
    /// Those of the database.
    pub fn claim_or(
        &mut self,
        conn: &mut PgConnection,
        mut before: impl FnMut(&mut PgConnection, SearchId) -> QueryResult<Option<Claim>>,
    ) -> QueryResult<Option<Claim>> {
        if !self.turns.is_due()
            && let Some(claim) = self.claim_in_turn(conn, &mut before)?
        {
            return Ok(Some(claim));
        }
        self.turns.look(conn, &self.class)?;
        self.claim_in_turn(conn, &mut before)
    }

    /// The next job of the first search, by what was last seen, that has one.
    fn claim_in_turn(
        &mut self,
        conn: &mut PgConnection,
        before: &mut impl FnMut(&mut PgConnection, SearchId) -> QueryResult<Option<Claim>>,
    ) -> QueryResult<Option<Claim>> {
        while let Some(search) = self.turns.next(&self.left_out) {
            let claim = match before(conn, search)? {
                None => self.claim_in(conn, search)?,
                first => first,
            };
            if let Some(claim) = claim {
                self.turns.served(search);
                return Ok(Some(claim));
            }
            self.turns.pass(search);
        }
        Ok(None)
    }

    /// The next job of a search.
    fn claim_in(&mut self, conn: &mut PgConnection, search: SearchId) -> QueryResult<Option<Claim>> {
        let (class, worker, ttl) = (&self.class, self.worker_id, self.ttl.as_secs_f64());
        let walk = self.walks.entry(search).or_insert_with(Walk::new);
        walk.claim(|place| {
            let claim: Option<Claim> = prepared(
                sql_query(include_str!("sql/claim.sql"))
                    .bind::<sql_types::Text, _>(class)
                    .bind::<sql_types::Uuid, _>(worker)
                    .bind::<sql_types::Double, _>(ttl)
                    .bind::<sql_types::Integer, _>(place.0)
                    .bind::<sql_types::BigInt, _>(place.1)
                    .bind::<sql_types::BigInt, _>(search),
            )
            .get_result(conn)
            .optional()?;
            Ok(claim.map(|claim| ((-i32::from(claim.priority), claim.job_id.0), claim)))
        })
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
