//! The import: one transaction that writes a search, its architectures, jobs, points, results and endings.

use std::path::Path;

use diesel::{
    Connection as _, OptionalExtension as _, PgConnection, QueryResult, QueryableByName, RunQueryDsl as _,
    sql_query, sql_types as ty,
};

use crate::{
    fault::ImportError,
    file::{Curves, Recorded},
    network::Architecture,
    point::Point,
    request::{Request, Unit},
};

/// What an import did.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(tag = "import", rename_all = "lowercase")]
pub enum Imported {
    /// The search was made.
    Stored {
        /// Its jobs: one per curve.
        jobs: usize,
        /// Points stored.
        observations: usize,
        /// Curves that end before the target without a decision; they are stored as cancelled, without truth.
        cut_off: usize,
        /// What was read and not stored, in words.
        notes: Vec<String>,
    },
    /// The same content is there under that name; nothing was done.
    Unchanged {
        /// Jobs of the search.
        jobs: usize,
    },
}

/// Stores the curves of a file of CSV or JSON lines with columns `arch`, `epoch`, `val_acc`, and where there are any `train_acc`,
/// `train_loss`, `val_loss`, `epoch_seconds` or `cum_seconds`, `recorded_prediction` (per cent or fraction as the
/// accuracies) and `recorded_converged` (0 or 1). A file `NAME.archs.csv` beside `NAME.csv` describes the
/// architectures: `arch`, and where there are any `genome` or `net`, `hash`, `flops` or `mflops`, `params` or
/// `parameters`.
///
/// A curve that reaches the target is a completed job, with ground truth; a shorter one whose last point has a
/// decision to stop is terminated; another shorter one is cancelled. All or nothing is stored; the same content under
/// the same name is stored once.
///
/// # Errors
/// [`ImportError::Faults`] names each bad row by its line; [`ImportError::NameTaken`] if another search has the name.
pub fn import(conn: &mut PgConnection, path: &Path, request: &Request<'_>) -> Result<Imported, ImportError> {
    store(conn, path, &check(path, request)?, request)
}

/// All that can be known of an import without the database: the curves of the file, each value checked.
///
/// # Errors
/// As [`import`], but for those of the database.
pub fn check(path: &Path, request: &Request<'_>) -> Result<Curves, ImportError> {
    if !domain::is_name(request.search) {
        return Err(ImportError::Name { found: request.search.to_owned() });
    }
    Curves::read(path, request.unit, request.target)
}

/// Stores curves that [`check`] has read for the same request.
///
/// # Errors
/// As [`import`].
pub fn store(
    conn: &mut PgConnection,
    path: &Path,
    curves: &Curves,
    request: &Request<'_>,
) -> Result<Imported, ImportError> {
    let hash = curves.digest(request);
    conn.transaction(|conn| {
        let Some(search) = insert_search(conn, path, curves, request, &hash)? else {
            return unchanged(conn, request.search, &hash);
        };
        insert_jobs(conn, search, curves)?;
        let observations = insert_observations(conn, search, curves)?;
        sql_query(include_str!("sql/result.sql")).bind::<ty::BigInt, _>(search).execute(conn)?;
        sql_query(include_str!("sql/finish.sql")).bind::<ty::BigInt, _>(search).execute(conn)?;
        Ok(Imported::Stored {
            jobs: curves.curves.len(),
            observations,
            cut_off: curves.curves.iter().filter(|c| curves.state(c) == "cancelled").count(),
            notes: curves.notes.clone(),
        })
    })
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = ty::BigInt)]
    id: i64,
}

fn insert_search(
    conn: &mut PgConnection,
    path: &Path,
    curves: &Curves,
    request: &Request<'_>,
    hash: &str,
) -> QueryResult<Option<i64>> {
    let engine = request.engine.unwrap_or(if curves.recorded { "recorded" } else { "none" });
    let spec = serde_json::json!({
        "name": request.search,
        "import": {
            "file": path.file_name().map(|name| name.to_string_lossy()),
            "sha256": curves.sha256,
            "unit": match request.unit { Unit::Percent => "percent", Unit::Fraction => "fraction" },
        },
        "budget": { "jobs": curves.curves.len(), "max_epochs": curves.target, "interval": curves.interval },
        "predictor": { "engine": engine, "mode": if curves.terminates() { "terminate" } else { "observe" } },
    });
    let row = sql_query(include_str!("sql/search.sql"))
        .bind::<ty::Text, _>(request.search)
        .bind::<ty::Jsonb, _>(spec)
        .bind::<ty::Text, _>(hash)
        .bind::<ty::Text, _>(engine)
        .bind::<ty::Double, _>(curves.target)
        .bind::<ty::Double, _>(curves.interval)
        .bind::<ty::Integer, _>(curves.curves.len() as i32)
        .bind::<ty::Text, _>(env!("CARGO_PKG_VERSION"))
        .get_result::<Id>(conn)
        .optional()?;
    Ok(row.map(|row| row.id))
}

fn unchanged(conn: &mut PgConnection, name: &str, hash: &str) -> Result<Imported, ImportError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = ty::Text)]
        spec_hash: String,
        #[diesel(sql_type = ty::BigInt)]
        jobs: i64,
    }
    let row: Row = sql_query(
        "SELECT spec_hash, (SELECT count(*) FROM job WHERE search_id = s.id) AS jobs FROM search s WHERE name = $1",
    )
    .bind::<ty::Text, _>(name)
    .get_result(conn)?;
    if row.spec_hash == hash {
        Ok(Imported::Unchanged { jobs: row.jobs as usize })
    } else {
        Err(ImportError::NameTaken { search: name.to_owned() })
    }
}

fn insert_jobs(conn: &mut PgConnection, search: i64, curves: &Curves) -> QueryResult<()> {
    let mode = if curves.terminates() { "terminate" } else { "observe" };
    for chunk in curves.curves.chunks(10_000) {
        let each = |f: &dyn Fn(&Architecture) -> String| {
            chunk.iter().map(|c| f(&c.architecture)).collect::<Vec<_>>()
        };
        sql_query(include_str!("sql/job.sql"))
            .bind::<ty::BigInt, _>(search)
            .bind::<ty::Array<ty::Text>, _>(each(&|a| a.hash.clone()))
            .bind::<ty::Array<ty::Text>, _>(each(&|a| a.genome.to_string()))
            .bind::<ty::Array<ty::Text>, _>(each(&|a| a.summary.clone()))
            .bind::<ty::Array<ty::BigInt>, _>(
                chunk.iter().map(|c| c.architecture.parameters).collect::<Vec<_>>(),
            )
            .bind::<ty::Array<ty::BigInt>, _>(chunk.iter().map(|c| c.architecture.flops).collect::<Vec<_>>())
            .bind::<ty::Array<ty::BigInt>, _>(chunk.iter().map(|c| c.seed).collect::<Vec<_>>())
            .bind::<ty::Array<ty::Text>, _>(chunk.iter().map(|c| curves.state(c)).collect::<Vec<_>>())
            .bind::<ty::Text, _>(mode)
            .execute(conn)?;
    }
    Ok(())
}

fn insert_observations(conn: &mut PgConnection, search: i64, curves: &Curves) -> QueryResult<usize> {
    let points: Vec<(i64, i32, &Point)> = curves.curves.iter().flat_map(numbered).collect();
    let mut stored = 0;
    for chunk in points.chunks(20_000) {
        let numbers =
            |f: &dyn Fn(&Point) -> Option<f64>| chunk.iter().map(|(_, _, p)| f(p)).collect::<Vec<_>>();
        let decision = |p: &Point| p.converged.map(|stop| if stop { "stop" } else { "continue" });
        stored += sql_query(include_str!("sql/observation.sql"))
            .bind::<ty::BigInt, _>(search)
            .bind::<ty::Array<ty::BigInt>, _>(chunk.iter().map(|(seed, _, _)| *seed).collect::<Vec<_>>())
            .bind::<ty::Array<ty::Integer>, _>(chunk.iter().map(|(_, step, _)| *step).collect::<Vec<_>>())
            .bind::<ty::Array<ty::Double>, _>(chunk.iter().map(|(_, _, p)| p.epoch).collect::<Vec<_>>())
            .bind::<ty::Array<ty::Double>, _>(chunk.iter().map(|(_, _, p)| p.val_acc).collect::<Vec<_>>())
            .bind::<ty::Array<ty::Nullable<ty::Double>>, _>(numbers(&|p| p.train_acc))
            .bind::<ty::Array<ty::Nullable<ty::Double>>, _>(numbers(&|p| p.val_loss))
            .bind::<ty::Array<ty::Nullable<ty::Double>>, _>(numbers(&|p| p.train_loss))
            .bind::<ty::Array<ty::Nullable<ty::Double>>, _>(numbers(&|p| p.seconds))
            .bind::<ty::Array<ty::Nullable<ty::Double>>, _>(numbers(&|p| p.prediction))
            .bind::<ty::Array<ty::Nullable<ty::Text>>, _>(
                chunk.iter().map(|(_, _, p)| decision(p)).collect::<Vec<_>>(),
            )
            .execute(conn)?;
    }
    Ok(stored)
}

/// The points of a curve with the seed of its job and their steps, from 1.
fn numbered(curve: &Recorded) -> impl Iterator<Item = (i64, i32, &Point)> {
    (1..).zip(&curve.points).map(|(step, point)| (curve.seed, step, point))
}
