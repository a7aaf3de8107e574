//! A table as text that fits a terminal: numbers and words stay whole, and what does not fit is named.

use comfy_table::{
    Attribute, Cell as Field, CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Row,
    Table as Text, TableStyle, Width,
};

use crate::style::Style;
use crate::table::Table;

/// Lines that a cell may have; what is longer ends in `…`.
const HEIGHT: usize = 2;

/// No column of words is narrower for want of room; longer words may be cut short with `…`. No number is.
const WORD: usize = 24;

/// Columns of text between two columns.
const GAP: usize = 2;

/// A list without lines but one under the headings. Words of a cell wrap, numbers never do. Columns that have no value
/// in any row are left out; so are, until the others fit, the minor ones and then those on the right, which the last line
/// names. The first column always stays.
pub fn grid(table: &Table, style: Style) -> String {
    let (fitting, left_out) = choose(columns(table), usize::from(style.width));
    let mut lines = text(&fitting, style);
    lines.extend(named(&left_out, style));
    lines.join("\n")
}

/// As [`grid`], but what does not fit follows below, beside the first column again: a report loses no number for want of
/// room. Minor columns of words are left out still.
pub(crate) fn folded(table: &Table, style: Style) -> String {
    let mut columns = columns(table);
    let width = usize::from(style.width);
    let needed = |part: &[Shown]| part.iter().map(|column| column.least + GAP).sum::<usize>();
    let narrow = needed(&columns) > width + GAP;
    let left_out: Vec<_> = columns
        .extract_if(columns.len().min(1).., |column| narrow && column.minor && !column.numeric)
        .collect();
    let mut columns = columns.into_iter();
    let first: Vec<Shown> = columns.next().into_iter().collect();
    let mut parts = vec![first.clone()];
    for column in columns {
        match parts.last_mut() {
            Some(part) if part.len() < 2 || needed(part) + column.least <= width => part.push(column),
            _ => parts.push(first.iter().cloned().chain([column]).collect()),
        }
    }
    let parts: Vec<Vec<String>> = parts.iter().map(|part| text(part, style)).collect();
    let mut lines = parts.join(&String::new());
    lines.extend(named(&left_out, style));
    lines.join("\n")
}

/// Those that have a value in some row.
fn columns(table: &Table) -> Vec<Shown> {
    (0..table.columns.len()).filter(|&at| table.shows(at)).map(|at| Shown::new(table, at)).collect()
}

/// The line that names what is not shown.
fn named(left_out: &[Shown], style: Style) -> Vec<String> {
    let mut named: Vec<&str> = left_out.iter().map(|column| column.heading.as_str()).collect();
    named.dedup();
    let them = if named.len() == 1 { "it" } else { "them" };
    let note = format!("Not shown: {}. A wider terminal or --output json shows {them}.", named.join("; "));
    if named.is_empty() { vec![] } else { style.wrapped(&note, 0) }
}

/// A column with the text of its cells.
#[derive(Clone)]
struct Shown {
    heading: String,
    cells: Vec<String>,
    numeric: bool,
    minor: bool,
    /// Columns of text without which a number would break or words be hard to read.
    least: usize,
    /// Columns of text that hold every cell in one line.
    most: usize,
}

impl Shown {
    fn new(table: &Table, at: usize) -> Self {
        let column = &table.columns[at];
        let heading = column.heading.to_owned();
        let whole = |text: String| if column.numeric { text.replace(' ', "\u{a0}") } else { text };
        let cells: Vec<String> = table.rows.iter().map(|row| whole(row[at].shown())).collect();
        let word = |text: &str| text.split(' ').map(length).max().unwrap_or(0);
        let words = cells.iter().map(|cell| word(cell)).max().unwrap_or(0);
        let longest = cells.iter().map(|cell| length(cell)).max().unwrap_or(0);
        let words = if column.numeric { words } else { longest.min(WORD) };
        Self {
            least: words.max(word(&heading)),
            most: longest.max(length(&heading)),
            numeric: column.numeric,
            minor: column.minor,
            heading,
            cells,
        }
    }
}

/// A cell with its long words cut to a width.
fn cut(cell: &str, width: usize) -> String {
    let cut = |word: &str| {
        if length(word) > width {
            word.chars().take(width.saturating_sub(1)).chain(['…']).collect()
        } else {
            word.to_owned()
        }
    };
    cell.split(' ').map(cut).collect::<Vec<String>>().join(" ")
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// What fits into a width, in order, and what does not.
fn choose(columns: Vec<Shown>, width: usize) -> (Vec<Shown>, Vec<Shown>) {
    let mut fits = vec![true; columns.len()];
    loop {
        let fitting = || columns.iter().enumerate().filter(|(at, _)| fits[*at]);
        let needed: usize = fitting().map(|(_, column)| column.least + GAP).sum();
        let last = fitting().skip(1).filter(|(_, c)| c.minor).last().or_else(|| fitting().skip(1).last());
        match last.map(|(at, _)| at) {
            Some(at) if needed > width + GAP => fits[at] = false,
            _ => break,
        }
    }
    let (fitting, left_out): (Vec<_>, Vec<_>) = columns.into_iter().zip(fits).partition(|(_, fits)| *fits);
    let bare = |columns: Vec<(Shown, bool)>| columns.into_iter().map(|(column, _)| column).collect();
    (bare(fitting), bare(left_out))
}

/// Each column gets what it needs at least, and of the rest, from the left, what saves it a second line.
fn widths(columns: &[Shown], width: usize) -> Vec<usize> {
    let taken: usize = columns.iter().map(|c| c.least + GAP).sum();
    let mut rest = (width + GAP).saturating_sub(taken);
    let mut widen = |column: &Shown| {
        let more = (column.most - column.least.min(column.most)).min(rest);
        rest -= more;
        column.least + more
    };
    columns.iter().map(&mut widen).collect()
}

/// Line by line.
fn text(columns: &[Shown], style: Style) -> Vec<String> {
    let widths = &widths(columns, usize::from(style.width));
    let mut text = Text::new();
    text.load_style(TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─')))
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(u16::MAX);
    if style.styled {
        text.enforce_styling();
    } else {
        text.force_no_tty();
    }
    let side = |column: &Shown| if column.numeric { CellAlignment::Right } else { CellAlignment::Left };
    text.set_header(columns.iter().map(|column| {
        Field::new(&column.heading).set_alignment(side(column)).add_attribute(Attribute::Bold)
    }));
    for at in 0..columns.first().map_or(0, |column| column.cells.len()) {
        let mut row =
            Row::from(columns.iter().zip(widths).map(|(column, &width)| {
                Field::new(cut(&column.cells[at], width)).set_alignment(side(column))
            }));
        row.max_height(HEIGHT);
        text.add_row(row);
    }
    for (at, (column, &width)) in text.column_iter_mut().zip(widths).enumerate() {
        let gap = u16::from(at + 1 < columns.len()); // beside the junction, which is as wide
        column.set_padding((0, gap));
        let width = u16::try_from(width).unwrap_or(u16::MAX).saturating_add(gap);
        column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
    }
    text.to_string().lines().map(|line| line.trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::Cell;

    fn best() -> Table {
        let columns = [
            ("rank", "#rank"),
            ("fitness", "#fitness, %"),
            ("known", "known by"),
            ("interval", "#80 % interval"),
            ("loss", "~#validation loss"),
            ("network", "network"),
        ];
        let mut table = Table::new("best", "", &columns);
        for at in 1..=9 {
            table.push(vec![
                Cell::Count(at),
                Cell::Number(88.104, 2),
                "predicted and then measured".into(),
                Cell::Interval(Some((84.46, 88.01)), 2),
                Cell::Number(0.1234, 4),
                "conv3-16 pool conv5-32 pool conv7-64 pool dense-128 dense-64 a-word-that-is-longer-than-any-column".into(),
            ]);
        }
        table
    }

    #[test]
    fn numbers_and_words_stay_whole_at_every_width() {
        for width in 20..=200 {
            let text = grid(&best(), Style { width, styled: false });
            for line in text.lines() {
                assert!(line.chars().count() <= usize::from(width), "{width}: {line}");
            }
            for whole in ["rank", "fitness, %"] {
                let whole: Vec<&str> = whole.split(' ').collect();
                assert!(whole.iter().all(|word| text.contains(word)), "{width}:\n{text}");
            }
            assert_eq!(text.matches("88.10").count(), 9, "{width}:\n{text}");
            let named = text.contains("Not shown");
            for (heading, value) in [("interval", "84.46\u{a0}to\u{a0}88.01"), ("loss", "0.1234")] {
                assert!(text.contains(heading), "{width}: a column is shown or named:\n{text}");
                assert!(named || text.matches(value).count() == 9, "{width}:\n{text}");
            }
            let words: Vec<&str> = "predicted and then measured".split(' ').collect();
            let known = text.lines().skip(1).take_while(|line| !line.starts_with("Not shown"));
            for word in known.flat_map(str::split_whitespace).filter(|word| word.starts_with("pre")) {
                assert!(words.contains(&word), "{width}: {word}");
            }
        }
    }

    #[test]
    fn a_report_loses_no_number_at_any_width() {
        for width in 60..=200 {
            let text = folded(&best(), Style { width, styled: false });
            for line in text.lines() {
                assert!(line.chars().count() <= usize::from(width), "{width}: {line}");
            }
            for value in ["88.10", "84.46\u{a0}to\u{a0}88.01", "0.1234", "predicted", "conv3-16"] {
                assert_eq!(text.matches(value).count(), 9, "{width}: {value}:\n{text}");
            }
            assert!(!text.contains("Not shown"), "{width}:\n{text}");
        }
        let fitting = Style { width: 200, styled: false };
        assert_eq!(folded(&best(), fitting), grid(&best(), fitting), "where all fits they are the same");
    }

    #[test]
    fn the_minor_columns_go_first_then_those_on_the_right() {
        let left_out = |width| {
            let text = grid(&best(), Style { width, styled: false }).replace('\n', " ");
            text.split_once("Not shown: ").map_or("", |(_, rest)| rest.split_once('.').unwrap().0).to_owned()
        };
        let table = [
            (200, "", "all fit"),
            (92, "validation loss", "the minor one"),
            (64, "validation loss; network", "and the last one"),
            (48, "80 % interval; validation loss; network", "and the one before it"),
        ];
        for (width, expected, why) in table {
            assert_eq!(left_out(width), expected, "{width}: {why}");
        }
    }
}
