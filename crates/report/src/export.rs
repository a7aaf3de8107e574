//! The curves of a search as the CSV files that an import reads.

use std::io::Write;

use diesel::pg::PgRowByRowLoadingMode;
use diesel::{PgConnection, QueryableByName, RunQueryDsl as _, sql_types as ty};

use crate::scope::{Scope, failed, snapshot};
use crate::{Filter, ReportError};

#[derive(QueryableByName)]
struct Point {
    #[diesel(sql_type = ty::BigInt)]
    job_id: i64,
    #[diesel(sql_type = ty::Double)]
    epoch: f64,
    #[diesel(sql_type = ty::Double)]
    val_acc: f64,
    #[diesel(sql_type = ty::Nullable<ty::Double>)]
    train_acc: Option<f64>,
    #[diesel(sql_type = ty::Nullable<ty::Double>)]
    val_loss: Option<f64>,
    #[diesel(sql_type = ty::Nullable<ty::Double>)]
    train_loss: Option<f64>,
    #[diesel(sql_type = ty::Nullable<ty::Double>)]
    seconds: Option<f64>,
    #[diesel(sql_type = ty::Nullable<ty::Double>)]
    prediction: Option<f64>,
    #[diesel(sql_type = ty::Nullable<ty::Bool>)]
    stop: Option<bool>,
}

#[derive(QueryableByName)]
struct Network {
    #[diesel(sql_type = ty::BigInt)]
    job_id: i64,
    #[diesel(sql_type = ty::Text)]
    genome: String,
    #[diesel(sql_type = ty::Nullable<ty::BigInt>)]
    flops: Option<i64>,
    #[diesel(sql_type = ty::Nullable<ty::BigInt>)]
    parameters: Option<i64>,
    #[diesel(sql_type = ty::Text)]
    hash: String,
    #[diesel(sql_type = ty::BigInt)]
    seed: i64,
    #[diesel(sql_type = ty::Text)]
    mode: String,
    #[diesel(sql_type = ty::Nullable<ty::Text>)]
    outcome: Option<String>,
}

/// Writes every point of a search as CSV, in the columns that an import reads, accuracies in per cent; `arch` is the
/// number of the job. Returns how many. Rows go from the database to `out` one by one.
///
/// # Errors
/// If there is no such search, or `out` cannot be written to.
pub fn export_curves(
    conn: &mut PgConnection,
    search: &str,
    filter: &Filter,
    out: impl Write,
) -> Result<usize, ReportError> {
    snapshot(conn, |conn| {
        let scope = Scope::open(conn, search, filter)?;
        let mut writer = csv::Writer::from_writer(out);
        let names = "arch,epoch,val_acc,train_acc,val_loss,train_loss,epoch_seconds,recorded_prediction,recorded_converged";
        writer.write_record(names.split(',')).map_err(csv_error)?;
        let points = scope
            .query(include_str!("export_curves.sql"))
            .load_iter::<Point, PgRowByRowLoadingMode>(conn)
            .map_err(failed("export_curves"))?;
        let mut written = 0;
        for point in points {
            let p = point.map_err(failed("export_curves"))?;
            let stop = p.stop.map(|stop| if stop { "1" } else { "0" }).unwrap_or_default();
            let numbers = [
                Some(p.epoch),
                Some(p.val_acc),
                p.train_acc,
                p.val_loss,
                p.train_loss,
                p.seconds,
                p.prediction,
            ];
            let numbers = numbers.map(|n| n.map(|n| n.to_string()).unwrap_or_default());
            let record = [p.job_id.to_string()].into_iter().chain(numbers).chain([stop.to_owned()]);
            writer.write_record(record).map_err(csv_error)?;
            written += 1;
        }
        writer.flush()?;
        Ok(written)
    })
}

/// Writes the networks of a search as CSV, for the file beside [`export_curves`]. Returns how many.
///
/// # Errors
/// If there is no such search, or `out` cannot be written to.
pub fn export_networks(
    conn: &mut PgConnection,
    search: &str,
    filter: &Filter,
    out: impl Write,
) -> Result<usize, ReportError> {
    snapshot(conn, |conn| {
        let scope = Scope::open(conn, search, filter)?;
        let networks: Vec<Network> =
            scope.query(include_str!("export_jobs.sql")).load(conn).map_err(failed("export_jobs"))?;
        let mut writer = csv::Writer::from_writer(out);
        writer
            .write_record("arch,genome,flops,params,hash,seed,mode,outcome".split(','))
            .map_err(csv_error)?;
        for n in &networks {
            let number = |count: Option<i64>| count.map(|c| c.to_string()).unwrap_or_default();
            let (job, seed) = (n.job_id.to_string(), n.seed.to_string());
            let (flops, parameters) = (number(n.flops), number(n.parameters));
            let outcome = n.outcome.as_deref().unwrap_or_default();
            writer
                .write_record([&job, &n.genome, &flops, &parameters, &n.hash, &seed, &n.mode, outcome])
                .map_err(csv_error)?;
        }
        writer.flush()?;
        Ok(networks.len())
    })
}

fn csv_error(error: csv::Error) -> ReportError {
    ReportError::Write(std::io::Error::other(error))
}
