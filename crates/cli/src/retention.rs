//! What goes in the end: `peng search delete`, `archive`, and `peng db prune`.

use std::time::Duration;

use serde::Serialize;
use store::{
    BoundedConnection, Stepwise as _,
    checkpoint::{self, DiscardedTotal, KeepCheckpoints},
    retention::{self, Contents, Leftovers, Prunable},
    search::Search,
};

use crate::output::{self, Format};

/// Searches that a question names one by one.
const NAMED: usize = 10;

/// Reads `all`, `best:N` or `none`.
pub fn keep_checkpoints(text: &str) -> Result<KeepCheckpoints, String> {
    let best = text.strip_prefix("best:").and_then(|number| number.parse().ok()).filter(|best| *best > 0);
    match (text, best) {
        ("all", _) => Ok(KeepCheckpoints::All),
        ("none", _) => Ok(KeepCheckpoints::None),
        (_, Some(best)) => Ok(KeepCheckpoints::Best(best)),
        _ => Err("expected `all`, `none` or `best:N`".to_owned()),
    }
}

/// Deletes an ended search; says before what goes with it. `reading` may take long.
pub fn delete(
    conn: &mut BoundedConnection,
    reading: &mut BoundedConnection,
    search: &Search,
    yes: bool,
    format: Format,
) -> anyhow::Result<()> {
    conn.step(|conn| retention::deletable(conn, search.id))?;
    let contents = reading.step(|conn| retention::contents(conn, &[search.id]))?;
    output::confirm(&format!("delete search {} with {}?", search.name, in_words(&contents)), yes)?;
    conn.step(|conn| retention::begin_delete(conn, search.id))?;
    retention::delete(conn, search.id, &|_| {})?;
    let text = format!("search {} is deleted, with {}{}", search.name, in_words(&contents), until(&contents));
    output::value(format, &contents, &text)
}

fn in_words(contents: &Contents) -> String {
    let Contents { jobs, observations, attempts, checkpoints, bytes, .. } = contents;
    let megabytes = megabytes(*bytes);
    format!(
        "{jobs} jobs, {observations} observations, {attempts} attempts and {checkpoints} checkpoints ({megabytes})"
    )
}

fn until(contents: &Contents) -> &'static str {
    if contents.checkpoints > 0 {
        "; the files of its checkpoints go after two days, by workers or `peng db gc`"
    } else {
        ""
    }
}

fn megabytes(bytes: i64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

#[derive(Serialize)]
struct Archived<'a> {
    search: &'a str,
    /// Checkpoints that were discarded, and their size.
    checkpoints: i64,
    bytes: i64,
}

/// Puts an ended search away, and discards the checkpoints that are not to stay.
pub fn archive(
    conn: &mut BoundedConnection,
    search: &Search,
    keep: KeepCheckpoints,
    yes: bool,
    format: Format,
) -> anyhow::Result<()> {
    let name = &search.name;
    let stay = match keep {
        KeepCheckpoints::All => None,
        KeepCheckpoints::Best(best) => Some(format!("but for those of its best {best} jobs")),
        KeepCheckpoints::None => Some("of all its jobs".to_owned()),
    };
    let not_ended = || anyhow::anyhow!("search `{name}` has not ended: only what has ended is archived");
    if search.finished_at.is_none() {
        return Err(not_ended());
    }
    if let Some(stay) = stay {
        output::confirm(&format!("discard the checkpoints of search {name} {stay}?"), yes)?;
    }
    if !conn.step(|conn| retention::archive(conn, search.id))? {
        return Err(not_ended());
    }
    let DiscardedTotal { checkpoints, bytes } =
        checkpoint::discard(conn, search.id, keep)?.ok_or_else(not_ended)?;
    let text =
        format!("search {name} is archived; {checkpoints} checkpoints ({}) are discarded", megabytes(bytes));
    output::value(format, &Archived { search: name, checkpoints, bytes }, &text)
}

/// What pruning removes, one line a kind.
#[derive(Serialize)]
struct Line {
    what: &'static str,
    rows: i64,
    bytes: Option<i64>,
}

fn lines(contents: &Contents, leftovers: &Leftovers) -> Vec<Line> {
    let line = |what, rows| Line { what, rows, bytes: None };
    vec![
        line("searches", contents.searches),
        line("jobs", contents.jobs),
        line("observations", contents.observations),
        line("attempts", contents.attempts),
        Line { what: "checkpoints", rows: contents.checkpoints, bytes: Some(contents.bytes) },
        line("logs", leftovers.logs),
        line("events", leftovers.events),
        line("workers", leftovers.workers),
    ]
}

/// Deletes what ended longer ago than an age. `reading` may take long.
pub fn prune(
    conn: &mut BoundedConnection,
    reading: &mut BoundedConnection,
    age: Duration,
    dry_run: bool,
    yes: bool,
    format: Format,
) -> anyhow::Result<()> {
    let (needed, going): (Vec<_>, Vec<_>) = reading
        .step(|conn| retention::prunable(conn, age))?
        .into_iter()
        .partition(|search| search.warm_start_of.is_some());
    for Prunable { name, warm_start_of, .. } in &needed {
        let by = warm_start_of.as_deref().unwrap_or_default();
        stdio::message(format_args!("search {name} stays: search {by}, which has not ended, starts from it"));
    }
    let ids: Vec<_> = going.iter().map(|search| search.id).collect();
    let contents = reading.step(|conn| retention::contents(conn, &ids))?;
    let mut leftovers = reading.step(|conn| retention::count_leftovers(conn, age, &ids))?;
    if !dry_run {
        output::confirm(&question(&going, &contents, &leftovers), yes)?;
        for search in &going {
            // One that was revived since, or whose last jobs still run, stays for the next time.
            match conn.step(|conn| retention::begin_delete(conn, search.id)) {
                Ok(()) => retention::delete(conn, search.id, &|_| {})?,
                Err(error @ retention::DeleteError::Query(_)) => return Err(error.into()),
                Err(error) => stdio::message(format_args!("search {} stays: {error}", search.name)),
            }
        }
        leftovers = retention::prune_leftovers(conn, age)?;
    }
    output::rows(
        format,
        &lines(&contents, &leftovers),
        &[
            (if dry_run { "would go" } else { "gone" }, |line: &Line| line.what.to_owned()),
            ("#rows", |line| line.rows.to_string()),
            ("#size", |line| line.bytes.map_or_else(String::new, megabytes)),
        ],
    )
}

fn question(going: &[Prunable], contents: &Contents, leftovers: &Leftovers) -> String {
    let mut names: Vec<_> = going.iter().take(NAMED).map(|search| search.name.clone()).collect();
    if going.len() > NAMED {
        names.push(format!("{} more", going.len() - NAMED));
    }
    let searches = if names.is_empty() {
        String::new()
    } else {
        format!("searches {} with {}, and ", names.join(", "), in_words(contents))
    };
    let Leftovers { logs, events, workers } = leftovers;
    format!("delete {searches}{logs} logs of attempts, {events} events and {workers} workers?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_checkpoints_stay_is_read() {
        for (text, expected) in [
            ("all", Some(KeepCheckpoints::All)),
            ("none", Some(KeepCheckpoints::None)),
            ("best:3", Some(KeepCheckpoints::Best(3))),
            ("best:0", None),
            ("best:-1", None),
            ("best", None),
            ("3", None),
        ] {
            assert_eq!(keep_checkpoints(text).ok(), expected, "{text}");
        }
    }
}
