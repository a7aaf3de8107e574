//! Enqueueing a million jobs, against a bare COPY of the same rows into the same tables.

use std::time::Instant;

use diesel::{Connection as _, PgConnection, connection::SimpleConnection as _};
use domain::SearchId;
use store::{job::JobMode, search};

use crate::{Options, bench::Bench};

/// The largest backlog.
pub fn enqueue(bench: &Bench, options: &Options) {
    let count = options.jobs.iter().copied().max().unwrap_or(1_000_000);
    let database = bench.database("enqueue");
    let mut conn = database.connect().unwrap();
    let before = peak_memory();
    let start = Instant::now();
    let added = add(&mut conn, (0..count).map(job));
    let own = added as f64 / start.elapsed().as_secs_f64();
    let memory = peak_memory();
    let bare = count as f64 / copy(bench, &mut conn);
    println!("{count} jobs: bare COPY {bare:.0}/s, own {own:.0}/s, ratio {:.2}", own / bare);
    println!("client memory: {memory:.0} MB at most ({before:.0} MB before)");
}

/// Enqueues jobs as whoever submits a search does; returns how many.
pub fn add(conn: &mut PgConnection, jobs: impl IntoIterator<Item = search::NewJob>) -> usize {
    let params = search::EnqueueParams { search_id: SearchId(1), seed: 1, class: "default" };
    let mut jobs = jobs.into_iter();
    let added = conn.transaction(|conn| {
        let mut added = 0;
        loop {
            let batch: Vec<_> = jobs.by_ref().take(search::CHUNK).collect();
            if batch.is_empty() {
                return diesel::QueryResult::Ok(added);
            }
            let enqueued = search::enqueue(conn, &params, search::Source::Submission, &batch)?;
            added += enqueued.added.unwrap_or_default();
        }
    });
    added.unwrap() as usize
}

/// Seconds that COPY takes for all rows of the two tables, read from files on the server.
fn copy(bench: &Bench, source: &mut PgConnection) -> f64 {
    // Among the server's own files, which go with it.
    let file = |table: &str| bench.home().join(table);
    let each = |conn: &mut PgConnection, direction: &str| {
        for table in ["architecture", "job"] {
            conn.batch_execute(&format!("COPY {table} {direction} '{}'", file(table).display())).unwrap();
        }
    };
    each(source, "TO");
    let database = bench.database("copied");
    let mut conn = database.connect().unwrap();
    let start = Instant::now();
    conn.transaction(|conn| {
        each(conn, "FROM");
        diesel::QueryResult::Ok(())
    })
    .unwrap();
    start.elapsed().as_secs_f64()
}

/// The i-th job, about as large as one of a random search.
pub fn job(i: usize) -> search::NewJob {
    search::NewJob {
        hash: format!("{i:064}"),
        genome: serde_json::json!({"space": "random-cnn", "cells": [[i, 16, 3], [1, 32, 5], [0, 64, 3]], "dense": 128}),
        summary: format!("conv 16x3, conv 32x5, conv 64x3, dense 128, number {i}"),
        parameters: 100_000,
        flops: 1_000_000,
        generation: 0,
        parents: vec![],
        mode: JobMode::Terminate,
        priority: 0,
    }
}

/// Of this process, in MB.
fn peak_memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1024.0
}
