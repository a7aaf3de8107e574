//! Who may read the views of a database, and nothing else, makes every report: to the byte what its owner makes.
#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "../../crates/report/tests/made_up/mod.rs"]
mod made_up;

use std::{fs, process::Output};

use diesel::{QueryableByName, RunQueryDsl as _, connection::SimpleConnection as _, sql_query, sql_types};
use tests::{Lab, stderr};

/// A login role of the test server; gone with this value.
struct Login<'a> {
    lab: &'a Lab,
    name: String,
}

impl<'a> Login<'a> {
    fn new(lab: &'a Lab, kind: &str) -> Self {
        let name = format!("{kind}_{}", lab.url().split(['/', '?']).nth(3).unwrap());
        lab.connect().batch_execute(&format!("CREATE ROLE {name} LOGIN")).unwrap();
        Self { lab, name }
    }

    /// Grants it the role of readers.
    fn may_read(&self) {
        let role = read_role(self.lab);
        self.lab.connect().batch_execute(&format!("GRANT {role} TO {}", self.name)).unwrap();
    }

    fn peng(&self, arguments: &[&str]) -> Output {
        let url = self.lab.url().replace("user=peng", &format!("user={}", self.name));
        assert_ne!(url, self.lab.url());
        self.lab.command("peng").env("DATABASE_URL", url).args(arguments).output().unwrap()
    }
}

impl Drop for Login<'_> {
    fn drop(&mut self) {
        let sql = format!("DROP OWNED BY {0}; DROP ROLE {0}", self.name);
        self.lab.connect().batch_execute(&sql).unwrap();
    }
}

fn text(lab: &Lab, value: &str) -> String {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = sql_types::Text)]
        value: String,
    }
    sql_query(format!("SELECT {value} AS value")).get_result::<Row>(&mut lab.connect()).unwrap().value
}

fn now(lab: &Lab) -> String {
    text(lab, "to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')")
}

/// The role of this database's readers.
fn read_role(lab: &Lab) -> String {
    text(lab, "'peng_read_' || left((SELECT id FROM identity)::text, 8)")
}

/// The text without the times, as `2026-11-24 08:30:00` or `2026-11-24T08:30:00.5Z`, that are not before `since`.
fn without_times(text: &[u8], since: &str) -> String {
    let text = String::from_utf8_lossy(text).into_owned();
    let is_time = |at: &str| {
        let pattern = b"0000-00-00 00:00:00";
        let like = |(found, wanted): (u8, &u8)| match wanted {
            b'0' => found.is_ascii_digit(),
            b' ' => found == b' ' || found == b'T',
            _ => found == *wanted,
        };
        at.len() >= 19 && at.bytes().zip(pattern).all(like) && at[..19].replace('T', " ").as_str() >= since
    };
    let (mut kept, mut rest) = (String::new(), text.as_str());
    while let Some(next) = rest.chars().next() {
        if is_time(rest) {
            kept.push_str("NOW");
            rest = rest[19..].trim_start_matches(|c: char| c.is_ascii_digit() || ".:+Z".contains(c));
        } else {
            kept.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    kept
}

#[test]
fn a_reader_makes_every_report_that_the_owner_makes() {
    let lab = Lab::new();
    let mut conn = lab.connect();
    made_up::search(&mut conn, "one", 60);
    made_up::search(&mut conn, "two", 40);
    let reader = Login::new(&lab, "reader");
    reader.may_read();
    let since = now(&lab);
    let mut reports: Vec<Vec<&str>> = ["summary", "savings", "ranking", "calibration", "pareto", "workers"]
        .map(|name| vec!["report", name, "one"])
        .into();
    reports.push(vec!["report", "compare", "one", "two"]);
    reports.push(vec!["report", "summary", "one", "--since", "7d", "--where", "parameters<40000"]);
    reports.push(vec!["curve", "replay", "--search", "one", "--engine", "peng,median"]);
    for job in ["1", "2", "3", "7"] {
        reports.push(vec!["report", "job", job]);
    }
    let mut commands = vec![vec!["curve", "export", "--search", "one"], vec!["report", "summary", "ona"]];
    for report in &reports {
        for output in ["table", "json", "csv", "html"] {
            commands.push([report.as_slice(), &["--output", output]].concat());
        }
    }
    for command in &commands {
        let (owner, reader) = (lab.peng(command), reader.peng(command));
        let text = |output: &[u8]| without_times(output, &since);
        assert_eq!(text(&owner.stdout), text(&reader.stdout), "{command:?}");
        assert_eq!(text(&owner.stderr), text(&reader.stderr), "{command:?}");
        let well = command.last() != Some(&"ona");
        assert_eq!((owner.status.success(), reader.status.success()), (well, well), "{command:?}");
        assert!(!owner.stdout.is_empty() || !well, "{command:?} says something");
    }
}

#[test]
fn a_reader_exports_both_files_and_changes_nothing() {
    let lab = Lab::new();
    let mut conn = lab.connect();
    made_up::search(&mut conn, "one", 30);
    let reader = Login::new(&lab, "exporter");
    reader.may_read();
    for name in ["owner.csv", "reader.csv"] {
        let export = ["curve", "export", "--search", "one", name];
        let output = if name == "owner.csv" { lab.peng(&export) } else { reader.peng(&export) };
        assert!(output.status.success(), "{}", stderr(&output));
    }
    for end in ["csv", "archs.csv"] {
        let read = |who: &str| fs::read_to_string(lab.dir.path().join(format!("{who}.{end}"))).unwrap();
        assert_eq!(read("owner"), read("reader"));
        assert!(read("owner").lines().count() > 29, "{end}");
    }
    for command in
        [&["job", "list"][..], &["job", "show", "1"], &["search", "results", "one"], &["worker", "list"]]
    {
        let output = reader.peng(command);
        assert!(output.status.success(), "{command:?}: {}", stderr(&output));
    }
    for command in [&["job", "retry", "1"][..], &["search", "cancel", "one", "--yes"], &["db", "reap"]] {
        let output = reader.peng(command);
        assert!(!output.status.success(), "{command:?}");
        assert!(stderr(&output).contains("permission denied for"), "{command:?}: {}", stderr(&output));
    }
}

#[test]
fn who_may_read_nothing_is_told_what_to_ask_for() {
    let lab = Lab::new();
    let stranger = Login::new(&lab, "stranger");
    let output = stranger.peng(&["report", "summary", "one"]);
    assert_eq!(output.status.code(), Some(1));
    let expected = format!("GRANT {} TO \"{}\";", read_role(&lab), stranger.name);
    assert!(stderr(&output).contains(&expected), "{}", stderr(&output));
}
