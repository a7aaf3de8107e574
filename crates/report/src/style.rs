//! How a terminal wants its text.

/// Longer lines of text are hard to read.
const LINE: u16 = 110;

/// How a terminal, or what stands in for one, wants its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Columns of text.
    pub width: u16,
    /// Whether escape sequences for bold and dim are understood.
    pub styled: bool,
}

/// Text for a file or a pipe: tables are as wide as they are.
impl Default for Style {
    fn default() -> Self {
        Self { width: u16::MAX, styled: false }
    }
}

impl Style {
    /// As wide as the terminal on standard output, and styled unless `NO_COLOR` is set; for a file or a pipe if there is
    /// none.
    pub fn of_stdout() -> Self {
        let terminal = comfy_table::Table::new();
        terminal.width().map_or_else(Self::default, |width| Self {
            width: width.max(40),
            styled: std::env::var_os("NO_COLOR").is_none(),
        })
    }

    /// Dim lines of a sentence, indented.
    pub(crate) fn wrapped(self, text: &str, indent: usize) -> Vec<String> {
        let width = usize::from(self.width.min(LINE));
        let mut lines = vec![String::new()];
        for word in text.split(' ') {
            let last = lines.last().map_or(0, |line| line.chars().count());
            if last > 0 && indent + last + 1 + word.chars().count() > width {
                lines.push(String::new());
            }
            if let Some(line) = lines.last_mut() {
                line.push_str(if line.is_empty() { "" } else { " " });
                line.push_str(word);
            }
        }
        lines.iter().map(|line| format!("{:indent$}{}", "", self.dim(line))).collect()
    }

    pub(crate) fn bold(self, text: &str) -> String {
        if self.styled { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(crate) fn dim(self, text: &str) -> String {
        if self.styled { format!("\x1b[2m{text}\x1b[0m") } else { text.to_owned() }
    }
}
