//! What of a search is meant: `--where`, `--since`, and the jobs of `peng job`.

use report::Filter;
use store::job::Selector;

/// A line each: a time, a selector of jobs, and conditions.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.split('\n');
    let (since, jobs) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    if let Ok(filter) = Filter::parse(Some(since), &[] as &[&str]) {
        assert!(filter.words().is_some_and(|words| words.starts_with("ended")), "`{since}`");
    }
    selector(jobs);
    lines.for_each(condition);
}

fn selector(text: &str) {
    match text.parse::<Selector>() {
        Ok(Selector::Last) => assert_eq!(text, "last"),
        Ok(Selector::Ids(ranges)) => {
            assert!(
                !ranges.is_empty() && ranges.iter().all(|(from, to)| 0 < *from && from <= to),
                "`{text}`"
            );
            let written: Vec<String> = ranges.iter().map(|(from, to)| format!("{from}-{to}")).collect();
            assert_eq!(written.join(",").parse(), Ok(Selector::Ids(ranges)), "`{text}`");
        }
        Err(error) => assert!(error.to_string().contains("selects no jobs"), "{error}"),
    }
}

/// A condition is `column operator value` in SQL, and its value one number or one text to any server.
fn condition(text: &str) {
    let filter = match Filter::parse(None, &[text]) {
        Ok(filter) => filter,
        Err(error) => return assert!(error.to_string().contains("--where"), "{error}"),
    };
    let words = filter.words().expect("a condition");
    let mut parts = words.splitn(3, ' ');
    let (column, operator, value) = (parts.next(), parts.next(), parts.next().unwrap_or_default());
    assert!(column.is_some_and(|c| c.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')), "{words}");
    assert!(operator.is_some_and(|o| ["=", "!=", "<>", "<", "<=", ">", ">="].contains(&o)), "{words}");
    let is_number = value.parse::<f64>().is_ok_and(f64::is_finite);
    assert!(is_number || [true, false].iter().all(|conforming| is_literal(value, *conforming)), "{words}");
    assert!(!value.contains('\0'), "{words:?}: Postgres takes no zero");
    if is_number {
        assert_eq!(Filter::parse(None, &[&words]).expect("it was understood before"), filter, "{words}");
    }
}

/// Whether a text is one literal of SQL from its first to its last character, with or without `standard_conforming_strings`.
fn is_literal(text: &str, conforming: bool) -> bool {
    let escapes = text.starts_with('E') || !conforming;
    let Some(inside) = text.strip_prefix('E').unwrap_or(text).strip_prefix('\'') else { return false };
    let mut characters = inside.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if escapes => drop(characters.next()),
            '\'' if characters.peek() == Some(&'\'') => drop(characters.next()),
            '\'' => return characters.next().is_none(),
            _ => {}
        }
    }
    false
}
