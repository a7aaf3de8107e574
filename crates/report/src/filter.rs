//! `--since` and `--where`: which jobs a report is about.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use serde::Serialize;

use crate::ReportError;

/// Which jobs of a search a report is about. The default is all of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Filter {
    since: Option<Since>,
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
enum Since {
    /// So many of a unit before the database's now.
    Ago(i64, Unit),
    At(DateTime<Utc>),
}

/// The units of `--since`: the letter, and its seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Unit(char, i64);

const UNITS: [Unit; 4] = [Unit('s', 1), Unit('m', 60), Unit('h', 3_600), Unit('d', 86_400)];

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Condition {
    column: &'static str,
    operator: &'static str,
    /// As SQL: a number, or a quoted word of the column's own words.
    value: String,
}

enum Kind {
    Number,
    Word(&'static [&'static str]),
    Text,
}

/// The columns of view `job_outcome` that `--where` may name.
const COLUMNS: [(&str, Kind); 22] = [
    ("job_id", Kind::Number),
    ("architecture_id", Kind::Number),
    ("generation", Kind::Number),
    ("seed", Kind::Number),
    ("parameters", Kind::Number),
    ("flops", Kind::Number),
    ("attempts", Kind::Number),
    ("crashes", Kind::Number),
    ("epochs", Kind::Number),
    ("seconds", Kind::Number),
    ("last_fitness", Kind::Number),
    ("best_fitness", Kind::Number),
    ("true_fitness", Kind::Number),
    ("fitness", Kind::Number),
    ("stop_epoch", Kind::Number),
    ("prediction", Kind::Number),
    ("outcome", Kind::Word(&["terminated", "completed", "diverged", "failed", "cancelled"])),
    ("mode", Kind::Word(&["terminate", "observe", "audit", "promoted"])),
    ("fitness_source", Kind::Word(&["measured", "predicted", "observed"])),
    (
        "state",
        Kind::Word(&[
            "ready",
            "running",
            "waiting",
            "paused",
            "terminated",
            "completed",
            "diverged",
            "failed",
            "cancelled",
        ]),
    ),
    ("class", Kind::Text),
    ("hash", Kind::Text),
];

/// Longest first, so that `<=` is not read as `<`.
const OPERATORS: [&str; 7] = ["<=", ">=", "!=", "<>", "=", "<", ">"];

impl Filter {
    /// Restricts to jobs that ended at `since` or later, and to those that have not ended. `since` is a duration
    /// back from now (`90m`, `12h`, `7d`) or a date or time in UTC (`2026-11-24`, `2026-11-24T08:30:00Z`). Each of
    /// `conditions` is a column of view `job_outcome`, an operator (= != < <= > >=) and a value, as in
    /// `parameters<1000000` or `outcome=completed`; all must hold.
    ///
    /// # Errors
    /// [`ReportError::Filter`] with what is allowed.
    pub fn parse(since: Option<&str>, conditions: &[impl AsRef<str>]) -> Result<Self, ReportError> {
        Ok(Self {
            since: since.map(parse_since).transpose()?,
            conditions: conditions.iter().map(|c| Condition::parse(c.as_ref())).collect::<Result<_, _>>()?,
        })
    }

    /// Whether it lets every job through.
    pub fn is_empty(&self) -> bool {
        self.since.is_none() && self.conditions.is_empty()
    }

    /// In words, for the citation; none for all jobs.
    pub fn words(&self) -> Option<String> {
        let since = self.since.iter().map(|since| match since {
            Since::Ago(count, Unit(letter, _)) => {
                let unit = if *letter == 'm' { "min".to_owned() } else { letter.to_string() };
                format!("ended in the last {count} {unit} or not yet")
            }
            Since::At(at) => format!("ended since {} or not yet", at.format("%Y-%m-%d %H:%M:%S UTC")),
        });
        let all: Vec<String> = since
            .chain(self.conditions.iter().map(|c| format!("{} {} {}", c.column, c.operator, c.value)))
            .collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// ` AND …` over the columns of `job_outcome`. Values are numbers, words of a fixed list, or quoted.
    pub(crate) fn sql(&self) -> String {
        let since = self.since.iter().map(|since| match since {
            Since::Ago(count, Unit(_, seconds)) => {
                format!("coalesce(finished_at >= now() - interval '{} seconds', true)", count * seconds)
            }
            Since::At(at) => format!("coalesce(finished_at >= '{}', true)", at.to_rfc3339()),
        });
        since
            .chain(self.conditions.iter().map(|c| format!("{} {} {}", c.column, c.operator, c.value)))
            .map(|condition| format!(" AND {condition}"))
            .collect()
    }
}

impl Condition {
    fn parse(text: &str) -> Result<Self, ReportError> {
        let wrong =
            |expected: String| ReportError::Filter { option: "--where", found: text.to_owned(), expected };
        let split = text.find(['<', '>', '=', '!']).ok_or_else(|| {
            wrong("COLUMN OPERATOR VALUE, as in `parameters<1000000` or `outcome=completed`".to_owned())
        })?;
        let (name, rest) = (text[..split].trim(), &text[split..]);
        let operator = OPERATORS
            .into_iter()
            .find(|operator| rest.starts_with(operator))
            .ok_or_else(|| wrong("one of the operators = != < <= > >=".to_owned()))?;
        let value = rest[operator.len()..].trim();
        let (column, kind) = COLUMNS.iter().find(|(column, _)| *column == name).ok_or_else(|| {
            let names: Vec<&str> = COLUMNS.iter().map(|c| c.0).collect();
            wrong(format!("one of the columns {}", names.join(", ")))
        })?;
        let value = match kind {
            Kind::Number => match value.parse::<f64>() {
                Ok(number) if number.is_finite() => {
                    // Adding zero makes a negative zero positive.
                    value.parse::<i64>().map_or((number + 0.0).to_string(), |n| n.to_string())
                }
                _ => return Err(wrong(format!("a number after {column} {operator}"))),
            },
            Kind::Word(words) if words.contains(&value) => format!("'{value}'"),
            Kind::Word(words) => return Err(wrong(format!("{column} to be one of {}", words.join(", ")))),
            Kind::Text if value.contains('\0') => {
                return Err(wrong(
                    "a text without the character of code 0, which no database stores".to_owned(),
                ));
            }
            Kind::Text => literal(value),
        };
        Ok(Self { column, operator, value })
    }
}

/// A text in SQL that means the same whatever the server's `standard_conforming_strings`: with a backslash, an escape string.
fn literal(text: &str) -> String {
    let quoted = format!("'{}'", text.replace('\'', "''"));
    if text.contains('\\') { format!("E{}", quoted.replace('\\', r"\\")) } else { quoted }
}

fn parse_since(text: &str) -> Result<Since, ReportError> {
    let wrong = || ReportError::Filter {
        option: "--since",
        found: text.to_owned(),
        expected: "a duration back from now (90m, 12h, 7d) or a UTC time (2026-11-24, 2026-11-24T08:30:00Z)"
            .to_owned(),
    };
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(Since::At(at.to_utc()));
    }
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Ok(Since::At(day.and_hms_opt(0, 0, 0).ok_or_else(wrong)?.and_utc()));
    }
    for pattern in ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"] {
        if let Ok(at) = NaiveDateTime::parse_from_str(text, pattern) {
            return Ok(Since::At(at.and_utc()));
        }
    }
    let unit = UNITS.into_iter().find(|unit| text.ends_with(unit.0)).ok_or_else(wrong)?;
    let count: i64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    if !(0..=1_000_000).contains(&count) {
        return Err(wrong());
    }
    Ok(Since::Ago(count, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_become_sql_that_cannot_be_broken_out_of() {
        let table = [
            ("parameters<1000000", " AND parameters < 1000000", "a number"),
            ("fitness >= 71.5", " AND fitness >= 71.5", "spaces"),
            ("fitness > -0.0", " AND fitness > 0", "a negative zero"),
            ("outcome=completed", " AND outcome = 'completed'", "a word"),
            ("class=a' OR true", " AND class = 'a'' OR true'", "a quote stays inside"),
            (r"class=a\' OR true --", r" AND class = E'a\\'' OR true --'", "behind a backslash too"),
        ];
        for (text, expected, why) in table {
            assert_eq!(Filter::parse(None, &[text]).unwrap().sql(), expected, "{why}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named_with_what_is_allowed() {
        let table = [
            ("speed>1", "one of the columns job_id"),
            ("outcome=done", "outcome to be one of terminated"),
            ("flops<1e6; DROP TABLE job", "a number after flops <"),
            ("flops", "COLUMN OPERATOR VALUE"),
            ("flops!3", "one of the operators"),
            ("flops<inf", "a number"),
            ("class=a\0b", "a text without the character of code 0"),
        ];
        for (text, expected) in table {
            let error = Filter::parse(None, &[text]).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        for text in ["", "x", "7", "7w", "-3d", "2026-13-01"] {
            let error = Filter::parse(Some(text), &[] as &[&str]).unwrap_err().to_string();
            assert!(error.contains("a duration back from now"), "{text}: {error}");
        }
    }

    #[test]
    fn since_is_read_as_a_duration_or_a_time() {
        let sql = |text| Filter::parse(Some(text), &[] as &[&str]).unwrap().sql();
        assert_eq!(sql("12h"), " AND coalesce(finished_at >= now() - interval '43200 seconds', true)");
        assert_eq!(sql("2026-11-24"), " AND coalesce(finished_at >= '2026-11-24T00:00:00+00:00', true)");
        assert!(Filter::default().is_empty() && Filter::default().words().is_none());
        let words = |text| Filter::parse(Some(text), &[] as &[&str]).unwrap().words().unwrap();
        for (given, shown) in [("7d", "7 d"), ("12h", "12 h"), ("90m", "90 min"), ("45s", "45 s")] {
            assert_eq!(words(given), format!("ended in the last {shown} or not yet"));
        }
        assert_eq!(words("2026-11-24"), "ended since 2026-11-24 00:00:00 UTC or not yet");
        let both = Filter::parse(Some("7d"), &["flops<1e6"]).unwrap();
        assert_eq!(both.words().unwrap(), "ended in the last 7 d or not yet; flops < 1000000");
    }
}
