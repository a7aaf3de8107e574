//! Logs on stderr; the last lines are kept, to go with the error of an attempt.

use std::{
    collections::VecDeque,
    io::{self, IsTerminal as _},
    sync::{Mutex, PoisonError},
};

use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

/// Lines kept.
const LINES: usize = 40;

static LAST: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

/// Sends logs to stderr; `PENG_LOG` or `RUST_LOG` chooses, `info` by default.
pub fn init_logs() {
    let filter =
        std::env::var("PENG_LOG").or_else(|_| std::env::var("RUST_LOG")).unwrap_or_else(|_| "info".into());
    // The client of object stores tells of each try; what came of them all is said where it matters.
    let quiet = if filter.contains("object_store") { "" } else { ",object_store=error" };
    let filter = EnvFilter::try_new(format!("{filter}{quiet}"))
        .unwrap_or_else(|_| EnvFilter::new("info,object_store=error"));
    let ansi = io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Tee)
        .with_ansi(ansi)
        // It would say on stderr that stderr is closed, and panic. Whoever reads no log has its jobs trained all the same.
        .log_internal_errors(false)
        .with_target(false)
        .init();
}

/// The last lines of this process's log.
pub fn last_lines() -> String {
    let last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    last.iter().map(String::as_str).collect()
}

struct Tee;

impl<'a> MakeWriter<'a> for Tee {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

impl io::Write for Tee {
    /// One call per event.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() == LINES {
            last.pop_front();
        }
        last.push_back(String::from_utf8_lossy(line).into_owned());
        drop(last);
        io::stderr().write_all(line)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
