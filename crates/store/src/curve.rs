//! Learning curves: writing one observation under the fence, reading curves back.

use diesel::{
    ExpressionMethods as _, OptionalExtension as _, PgConnection, QueryDsl as _, QueryResult, Queryable,
    QueryableByName, RunQueryDsl as _, Selectable, SelectableHelper as _, sql_query, sql_types,
};
use diesel_derive_enum::DbEnum;
use domain::{JobId, Lease, NewCheckpoint, Ordinal};
use serde::{Deserialize, Serialize};

use crate::{schema::sql_types as pg, statement::prepared};

/// What the predictor decided after an observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, DbEnum, Serialize, Deserialize)]
#[db_enum(existing_type_path = "crate::schema::sql_types::Decision")]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Train on.
    Continue,
    /// The final fitness is known well enough.
    Stop,
}

/// One point of a learning curve, with what the predictor made of it. Accuracies in per cent.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Serialize, Default)]
#[diesel(table_name = crate::schema::observation)]
pub struct Observation {
    /// Number of the evaluation interval, from 1.
    pub step: i32,
    /// Epochs trained.
    pub epoch: f64,
    /// Validation accuracy.
    pub val_acc: f64,
    /// Training accuracy of the interval.
    pub train_acc: Option<f64>,
    /// Mean validation loss.
    pub val_loss: Option<f64>,
    /// Mean training loss of the interval.
    pub train_loss: Option<f64>,
    /// Seconds that the interval took.
    pub seconds: Option<f64>,
    /// Predicted fitness at `max_epochs`.
    pub prediction: Option<f64>,
    /// 80 % interval of the prediction.
    pub low_80: Option<f64>,
    /// 80 % interval of the prediction.
    pub high_80: Option<f64>,
    /// 90 % interval of the prediction.
    pub low_90: Option<f64>,
    /// 90 % interval of the prediction.
    pub high_90: Option<f64>,
    /// Ordinal of the last finish that the engine knew of.
    pub calibration: Option<Ordinal>,
    /// What it decided.
    pub decision: Option<Decision>,
    /// Why, in words.
    pub reason: Option<String>,
}

/// What became of an observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Recorded {
    /// A person asked for the job to be cancelled.
    #[diesel(sql_type = sql_types::Bool)]
    pub cancel: bool,
    /// Nothing was written: the observation before this one is not there, as after a fail-over that lost it. Give the job back.
    #[diesel(sql_type = sql_types::Bool)]
    pub behind: bool,
}

/// Writes an observation with its checkpoint, all or nothing. `None`: fenced out, nothing was written; drop the job.
/// Writing the same step again changes nothing. The lease is not renewed: see [`crate::lease::renew`].
///
/// # Errors
/// Those of the database.
pub fn record(
    conn: &mut PgConnection,
    lease: Lease,
    point: &Observation,
    checkpoint: Option<&NewCheckpoint>,
) -> QueryResult<Option<Recorded>> {
    use sql_types::{BigInt, Double, Integer, Nullable, Text};
    prepared(
        sql_query(include_str!("sql/record.sql"))
            .bind::<BigInt, _>(lease.job_id)
            .bind::<BigInt, _>(lease.fence)
            .bind::<sql_types::Uuid, _>(lease.worker_id)
            .bind::<Integer, _>(point.step)
            .bind::<Double, _>(point.epoch)
            .bind::<Double, _>(point.val_acc)
            .bind::<Nullable<Double>, _>(point.train_acc)
            .bind::<Nullable<Double>, _>(point.val_loss)
            .bind::<Nullable<Double>, _>(point.train_loss)
            .bind::<Nullable<Double>, _>(point.seconds)
            .bind::<Nullable<Double>, _>(point.prediction)
            .bind::<Nullable<Double>, _>(point.low_80)
            .bind::<Nullable<Double>, _>(point.high_80)
            .bind::<Nullable<Double>, _>(point.low_90)
            .bind::<Nullable<Double>, _>(point.high_90)
            .bind::<Nullable<BigInt>, _>(point.calibration)
            .bind::<Nullable<pg::Decision>, _>(point.decision)
            .bind::<Nullable<Text>, _>(point.reason.as_deref())
            .bind::<Nullable<Text>, _>(checkpoint.map(|c| c.key.as_str()))
            .bind::<Nullable<Text>, _>(checkpoint.map(|c| c.uri.as_str()))
            .bind::<Nullable<BigInt>, _>(checkpoint.map(|c| c.bytes))
            .bind::<Nullable<Text>, _>(checkpoint.map(|c| c.sha256.as_str())),
    )
    .get_result(conn)
    .optional()
}

/// A further point of a curve, as far as schedulers look at it. Accuracies in per cent.
#[derive(Debug, Clone, Copy, PartialEq, QueryableByName)]
pub struct Grown {
    /// The job.
    #[diesel(sql_type = sql_types::BigInt)]
    pub job_id: JobId,
    /// Epochs trained.
    #[diesel(sql_type = sql_types::Double)]
    pub epoch: f64,
    /// Validation accuracy.
    #[diesel(sql_type = sql_types::Double)]
    pub val_acc: f64,
    /// Training accuracy of the interval.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    pub train_acc: Option<f64>,
    /// Mean training loss of the interval.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    pub train_loss: Option<f64>,
}

/// What the curves of some jobs have beyond the last step that is known of each: those of each job in order.
///
/// # Errors
/// Those of the database.
pub fn grown(conn: &mut PgConnection, known: &[(JobId, i32)]) -> QueryResult<Vec<Grown>> {
    let (jobs, steps): (Vec<JobId>, Vec<i32>) = known.iter().copied().unzip();
    prepared(
        sql_query(include_str!("sql/grown.sql"))
            .bind::<sql_types::Array<sql_types::BigInt>, _>(jobs)
            .bind::<sql_types::Array<sql_types::Integer>, _>(steps),
    )
    .load(conn)
}

/// The curve of a job up to a step, in order.
///
/// # Errors
/// Those of the database.
pub fn load(conn: &mut PgConnection, job: JobId, up_to: i32) -> QueryResult<Vec<Observation>> {
    use crate::schema::observation::dsl::{job_id, observation, step};
    observation
        .filter(job_id.eq(job))
        .filter(step.le(up_to))
        .order(step)
        .select(Observation::as_select())
        .load(conn)
}
