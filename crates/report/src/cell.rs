//! One value of a table: for people rounded and with its unit, for machines in full.

use chrono::{DateTime, Utc};

/// One value. It is shown rounded, and written to CSV as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Cell {
    /// Nothing is known.
    #[default]
    Empty,
    /// Words.
    Text(String),
    /// A whole number that counts.
    Count(i64),
    /// A whole number that names.
    Id(i64),
    /// A number, shown with so many decimals.
    Number(f64, usize),
    /// A quantity over many powers of ten, shown as 12.3 M.
    Large(f64),
    /// A probability near 0, shown by its order.
    Small(f64),
    /// A duration in seconds.
    Seconds(f64),
    /// From and to, shown with so many decimals.
    Interval(Option<(f64, f64)>, usize),
    /// A share from 0 to 1, shown as a bar.
    Bar(f64),
    /// A moment.
    Time(DateTime<Utc>),
    /// A value with its unit behind it.
    With(Box<Cell>, &'static str),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Cell {
    fn from(count: i64) -> Self {
        Self::Count(count)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Into::into)
    }
}

impl Cell {
    /// A number with two decimals, or nothing.
    pub fn two(value: Option<f64>) -> Self {
        Self::number(value, 2)
    }

    /// A number with so many decimals, or nothing.
    pub fn number(value: Option<f64>, decimals: usize) -> Self {
        value.filter(|v| v.is_finite()).map_or(Self::Empty, |value| Self::Number(value, decimals))
    }

    /// For people: rounded, with units where the cell has one.
    pub fn shown(&self) -> String {
        match self {
            Self::Empty | Self::Interval(None, _) => "–".to_owned(),
            Self::Text(text) => text.clone(),
            Self::Count(count) => grouped(*count),
            Self::Id(number) => number.to_string(),
            Self::Number(value, 0) => grouped(value.round() as i64),
            Self::Number(value, decimals) => fixed(*value, *decimals),
            Self::Large(value) => large(*value),
            Self::Small(value) if *value < 1e-99 => "< 1e−99".to_owned(),
            Self::Small(value) => format!("{value:.0e}").replace('-', "−"),
            Self::Seconds(seconds) => duration(*seconds),
            Self::Interval(Some((low, high)), d) => format!("{} to {}", fixed(*low, *d), fixed(*high, *d)),
            Self::Bar(share) => bar(*share),
            Self::Time(at) => at.format("%Y-%m-%d %H:%M:%S").to_string(),
            Self::With(cell, "") => cell.shown(),
            Self::With(cell, unit) => format!("{}\u{a0}{unit}", cell.shown()),
        }
    }

    /// For machines: in full, empty where nothing is known. An interval has two values.
    pub fn raw(&self) -> Vec<String> {
        match self {
            Self::Empty => vec![String::new()],
            Self::Text(text) => vec![text.clone()],
            Self::Count(number) | Self::Id(number) => vec![number.to_string()],
            Self::Number(value, _)
            | Self::Large(value)
            | Self::Small(value)
            | Self::Seconds(value)
            | Self::Bar(value) => {
                vec![value.to_string()]
            }
            Self::Interval(None, _) => vec![String::new(); 2],
            Self::Interval(Some((low, high)), _) => vec![low.to_string(), high.to_string()],
            Self::Time(at) => vec![at.to_rfc3339()],
            Self::With(cell, _) => cell.raw(),
        }
    }
}

/// A number with a true minus sign and no negative zero.
pub(crate) fn fixed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    match text.strip_prefix('-') {
        Some(zero) if zero.chars().all(|c| c == '0' || c == '.') => zero.to_owned(),
        Some(positive) => format!("−{positive}"),
        None => text,
    }
}

/// Thousands set apart by a thin space.
pub(crate) fn grouped(count: i64) -> String {
    let digits = count.unsigned_abs().to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) && digits.len() > 4 {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    if count < 0 { format!("−{text}") } else { text }
}

/// 740.0 M, three to four digits.
pub(crate) fn large(value: f64) -> String {
    let units = [(1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    match units.into_iter().find(|(size, _)| value.abs() >= *size) {
        Some((size, unit)) => {
            format!("{} {unit}", fixed(value / size, if value / size < 100.0 { 2 } else { 1 }))
        }
        None => fixed(value, usize::from(value.fract() != 0.0)),
    }
}

/// 3.2 s, 4 min 05 s, 2 h 10 min, 3 d 4 h.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = seconds.round() as i64;
    match whole {
        _ if seconds < 60.0 => format!("{} s", fixed(seconds, usize::from(seconds < 9.95))),
        60..3_600 => format!("{} min {:02} s", whole / 60, whole % 60),
        3_600..172_800 => format!("{} h {:02} min", whole / 3_600, whole % 3_600 / 60),
        _ => format!("{} d {} h", whole / 86_400, whole % 86_400 / 3_600),
    }
}

/// Twelve cells wide, in eighths.
fn bar(share: f64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (share.clamp(0.0, 1.0) * 96.0).round() as usize;
    let least = usize::from(share > 0.0);
    let eighths = eighths.max(least);
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_as_people_write_them() {
        let table = [
            (Cell::Number(-0.001, 2), "0.00", "no negative zero"),
            (Cell::Number(-1.25, 1), "−1.2", "a minus, not a hyphen"),
            (Cell::Count(1234), "1234", "four digits stay together"),
            (Cell::Count(1_234_567), "1\u{202f}234\u{202f}567", "groups of three"),
            (Cell::Large(740_018_600.0), "740.0 M", "mega"),
            (Cell::Large(0.0), "0", "nothing"),
            (Cell::Seconds(3.21), "3.2 s", "seconds"),
            (Cell::Seconds(245.0), "4 min 05 s", "minutes"),
            (Cell::Seconds(7_800.0), "2 h 10 min", "hours"),
            (Cell::Seconds(273_600.0), "3 d 4 h", "days"),
            (Cell::Interval(Some((1.0, 2.5)), 1), "1.0 to 2.5", "an interval"),
            (Cell::Bar(0.5), "██████", "half of twelve"),
            (Cell::Bar(0.0001), "▏", "little is not nothing"),
            (Cell::number(Some(f64::NAN), 1), "–", "not a number is nothing"),
        ];
        for (cell, expected, why) in table {
            assert_eq!(cell.shown(), expected, "{why}");
        }
    }

    #[test]
    fn csv_gets_what_was_measured_not_what_was_shown() {
        assert_eq!(Cell::Number(0.123_456, 2).raw(), ["0.123456"]);
        assert_eq!(Cell::Interval(None, 2).raw(), ["", ""]);
    }
}
