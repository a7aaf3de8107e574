//! `peng db gc`: checkpoints that nothing points to.

use checkpoint::{CheckpointStore, Orphan};
use diesel::PgConnection;
use serde::Serialize;

use crate::output::{self, Format};

/// How it was asked for.
pub struct Wish {
    pub unknown: bool,
    pub dry_run: bool,
    pub yes: bool,
}

#[derive(Serialize)]
struct Row {
    uri: String,
    bytes: u64,
    job_id: i64,
    known: bool,
    deleted: bool,
}

/// Lists the store first and asks the database afterwards, see docs/jobs.md.
pub fn collect(
    conn: &mut PgConnection,
    checkpoints: Option<&str>,
    wish: &Wish,
    format: Format,
) -> anyhow::Result<()> {
    let store = CheckpointStore::open(checkpoints, store::identity(conn)?)?;
    let listed = store.list()?;
    let orphans = checkpoint::orphans(conn, &listed)?;
    let chosen = |orphan: &Orphan| orphan.known || wish.unknown;
    let (count, bytes) = orphans
        .iter()
        .filter(|orphan| chosen(orphan))
        .fold((0_u64, 0), |(count, bytes), orphan| (count + 1, bytes + orphan.object.bytes));
    let delete = !wish.dry_run && count > 0;
    if delete {
        let megabytes = bytes as f64 / 1e6;
        output::confirm(
            &format!("delete {count} checkpoints ({megabytes:.1} MB) that nothing points to?"),
            wish.yes,
        )?;
    }
    let mut rows = Vec::with_capacity(orphans.len());
    for orphan in &orphans {
        let uri = store.uri_of(&orphan.object);
        let deleted = delete && chosen(orphan);
        if deleted {
            store.collect(&orphan.object)?;
        }
        let Orphan { object, known } = *orphan;
        rows.push(Row { uri, bytes: object.bytes, job_id: object.owner.job_id, known, deleted });
    }
    output::rows(
        format,
        &rows,
        &[
            ("checkpoint", |row| row.uri.clone()),
            ("bytes", |row| row.bytes.to_string()),
            ("attempt", |row| if row.known { "over" } else { "unknown" }.to_owned()),
            ("deleted", |row| if row.deleted { "yes" } else { "no" }.to_owned()),
        ],
    )
}
