//! The baseline: pgbench runs the bare statements, prepared, on the same database.

use std::{io::Write as _, process::Command};

use crate::bench::Bench;

/// Claim, finish, and a new job in place of the old one, so that the backlog stays as long as it is.
pub fn claim_and_finish(bench: &Bench, database: &str, clients: usize, seconds: u64) -> f64 {
    let worker = "('00000000-0000-0000-0000-' || lpad(:client_id::text, 12, '0'))::uuid";
    let claim = fill(
        include_str!("../../src/sql/claim.sql"),
        &["'default'::text", worker, "60::float8", ":negated::int", ":last::bigint", "1::bigint"],
    );
    let finish = fill(
        include_str!("../../src/sql/finish.sql"),
        &[
            ":job_id::bigint",
            ":fence::bigint",
            worker,
            "'diverged'::text",
            "NULL::text",
            "NULL::text",
            "NULL::integer",
        ],
    );
    // Each `\gset` fails without a row: a bare statement that does nothing is no baseline.
    let script = format!(
        "{claim} \\gset\n\\set negated -:priority\n\\set last :job_id\n{finish} \\gset\n\
         INSERT INTO job (search_id, architecture_id, seed, mode, priority) \
         VALUES (1, :architecture_id, (random() * 1e15)::bigint, 'terminate', :priority);\n"
    );
    run(bench, database, clients, seconds, &script)
}

/// One row of a curve per commit.
pub fn insert(bench: &Bench, database: &str, clients: usize, seconds: u64) -> f64 {
    let script = "\\set job random(1501, 2000)\n\\set step random(1, 2000000000)\n\
         INSERT INTO observation (job_id, fence, step, epoch, val_acc, train_acc, val_loss, train_loss, seconds, \
         prediction, low_80, high_80, decision, reason) \
         VALUES (:job, 1, :step, 1, 50, 50, 1, 1, 1, 50, 40, 60, 'continue', 'as expected');\n";
    run(bench, database, clients, seconds, script)
}

fn run(bench: &Bench, database: &str, clients: usize, seconds: u64, script: &str) -> f64 {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(script.as_bytes()).unwrap();
    let output = Command::new("pgbench")
        .args(["-n", "-M", "prepared", "-U", "peng", "-D", "negated=-2147483648", "-D", "last=0", "-f"])
        .arg(file.path())
        .args([
            "-h",
            &bench.socket(),
            "-c",
            &clients.to_string(),
            "-j",
            "2",
            "-T",
            &seconds.to_string(),
            database,
        ])
        .output()
        .expect("pgbench is installed, with PostgreSQL");
    let text = String::from_utf8_lossy(&output.stdout);
    let rate =
        text.lines().find_map(|line| line.strip_prefix("tps = ")?.split_whitespace().next()?.parse().ok());
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    rate.unwrap_or_else(|| panic!("pgbench printed no rate:\n{text}"))
}

/// The statement without its comments, whose parameters pgbench would also look at, and with these values.
fn fill(sql: &str, values: &[&str]) -> String {
    let lines: Vec<_> = sql.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    let numbered = values.iter().enumerate().rev();
    numbered.fold(lines.join("\n"), |sql, (i, value)| sql.replace(&format!("${}", i + 1), value))
}
