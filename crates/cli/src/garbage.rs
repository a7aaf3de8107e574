//! `peng db gc`: checkpoints that nothing points to, left by a worker that died between writing and committing, or by an
//! attempt that another one has replaced; and those that were discarded and are kept no longer.

use std::time::Duration;

use checkpoint::{CheckpointStore, Object};
use diesel::QueryResult;
use domain::JobId;
use serde::Serialize;
use store::{BoundedConnection, Stepwise as _, checkpoint as pointers};

use crate::output::{self, Format};

/// How many objects are looked up in one statement.
const BATCH: usize = 10_000;
/// How many discarded checkpoints are taken at a time.
const TAKEN: i64 = 100;

/// What to collect, and how.
pub struct GcOptions {
    /// Also what no attempt of this database wrote.
    pub unknown: bool,
    /// How long discarded checkpoints are kept.
    pub grace: Duration,
    /// Delete nothing.
    pub dry_run: bool,
    /// Ask nobody.
    pub yes: bool,
}

/// An object that nothing points to and nothing ever will.
struct Orphan {
    object: Object,
    /// Whether this database knows the attempt that wrote it; if not, it may belong to another database.
    known: bool,
}

#[derive(Serialize)]
struct Row {
    uri: String,
    bytes: u64,
    job_id: JobId,
    known: bool,
    /// Whether it had been needed once; the others were never committed, or were replaced.
    discarded: bool,
    deleted: bool,
}

/// Lists the store first and asks the database afterwards, see docs/jobs.md.
pub fn collect(
    conn: &mut BoundedConnection,
    checkpoints: Option<&str>,
    options: &GcOptions,
    format: Format,
) -> anyhow::Result<()> {
    let is_private = store::Database::from_env()?.is_private();
    let store = CheckpointStore::open(checkpoints, conn.step(store::identity)?, is_private)?;
    if let Some(marker) = conn.step(store::known_store)? {
        store.verify(&marker, &|| false)?;
    }
    let listed = store.list()?;
    let orphans = orphans(conn, &listed)?;
    let chosen = |orphan: &Orphan| orphan.known || options.unknown;
    let sizes = || orphans.iter().filter(|orphan| chosen(orphan)).map(|orphan| orphan.object.bytes);
    let discarded = conn.step(|conn| pointers::count_discarded(conn, options.grace))?;
    let count = sizes().count() + discarded.checkpoints as usize;
    let delete = !options.dry_run && count > 0;
    if delete {
        let megabytes = (sizes().sum::<u64>() as f64 + discarded.bytes as f64) / 1e6;
        let question = format!("delete {count} checkpoints ({megabytes:.1} MB) that nothing points to?");
        output::confirm(&question, options.yes)?;
    }
    let mut rows = Vec::with_capacity(orphans.len());
    for orphan in &orphans {
        let deleted = delete && chosen(orphan);
        if deleted {
            store.collect(&orphan.object)?;
        }
        let (Orphan { object, known }, uri) = (orphan, store.uri_of(&orphan.object));
        rows.push(Row {
            uri,
            bytes: object.bytes,
            job_id: object.key.job_id,
            known: *known,
            discarded: false,
            deleted,
        });
    }
    if delete {
        collect_discarded(conn, &store, options.grace, &mut rows)?;
    } else {
        let kept = conn.step(|conn| pointers::discarded(conn, options.grace))?;
        rows.extend(kept.into_iter().map(|discarded| row(discarded, false)));
    }
    print(&rows, format)
}

/// Deletes objects, then the rows of them: whoever is killed in between deletes them again.
fn collect_discarded(
    conn: &mut BoundedConnection,
    store: &CheckpointStore,
    grace: Duration,
    rows: &mut Vec<Row>,
) -> anyhow::Result<()> {
    loop {
        let taken = conn.step(|conn| pointers::take_discarded(conn, grace, TAKEN, None))?;
        if taken.is_empty() {
            return Ok(());
        }
        for discarded in &taken {
            store.delete(&discarded.checkpoint)?;
        }
        conn.step(|conn| {
            pointers::forget(conn, &taken.iter().map(|discarded| discarded.id).collect::<Vec<_>>())
        })?;
        rows.extend(taken.into_iter().map(|discarded| row(discarded, true)));
    }
}

fn row(discarded: pointers::Discarded, deleted: bool) -> Row {
    let pointers::Discarded { job_id, checkpoint, .. } = discarded;
    Row { uri: checkpoint.uri, bytes: checkpoint.bytes as u64, job_id, known: true, discarded: true, deleted }
}

/// The orphans among what [`CheckpointStore::list`] has found, which has to come before: the database is asked afterwards,
/// so that it knows each attempt that wrote one of the objects. One that still holds its job may yet commit a pointer, and
/// its objects are none.
fn orphans(conn: &mut BoundedConnection, listed: &[Object]) -> QueryResult<Vec<Orphan>> {
    let mut found = Vec::new();
    for batch in listed.chunks(BATCH) {
        let keys: Vec<_> = batch.iter().map(|object| object.key).collect();
        for orphan in conn.step(|conn| pointers::orphans(conn, &keys))? {
            found.push(Orphan { object: batch[orphan.place as usize - 1], known: orphan.known });
        }
    }
    Ok(found)
}

fn print(rows: &[Row], format: Format) -> anyhow::Result<()> {
    output::rows(
        format,
        rows,
        &[
            ("checkpoint", |row| row.uri.clone()),
            ("bytes", |row| row.bytes.to_string()),
            ("attempt", |row| if row.known { "over" } else { "unknown" }.to_owned()),
            ("discarded", |row| if row.discarded { "yes" } else { "no" }.to_owned()),
            ("deleted", |row| if row.deleted { "yes" } else { "no" }.to_owned()),
        ],
    )
}
