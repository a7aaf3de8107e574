//! The log of an attempt: what the program wrote on stderr, within limits.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufRead as _, BufReader, Read, Write as _},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Lines kept for an error.
const LAST: usize = 20;
/// Longest part of a line that is kept for an error, in bytes.
const LONGEST: usize = 500;

/// A file that takes no more than its limit, and the last lines whatever the limit.
#[derive(Debug, Clone)]
pub struct Record(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    file: File,
    left: u64,
    dropped: u64,
    last: VecDeque<String>,
}

impl Record {
    /// A new log of at most `limit` bytes and a closing line.
    pub fn create(path: &Path, limit: u64) -> io::Result<Self> {
        let inner = Inner { file: File::create(path)?, left: limit, dropped: 0, last: VecDeque::new() };
        Ok(Self(Arc::new(Mutex::new(inner))))
    }

    /// Reads lines until the stream ends. A log that cannot be written does not end the training.
    pub fn copy(&self, from: impl Read) {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        loop {
            line.clear();
            // A line without end is taken piece by piece.
            match (&mut from).take(64 * 1024).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => break,
                Ok(_) => self.write(&line),
            }
        }
    }

    /// Adds a line.
    pub fn write(&self, line: &[u8]) {
        let mut inner = self.lock();
        let text = String::from_utf8_lossy(&line[..line.len().min(LONGEST)]).trim_end().to_owned();
        if !text.is_empty() {
            if inner.last.len() == LAST {
                inner.last.pop_front();
            }
            inner.last.push_back(text);
        }
        let size = line.len() as u64;
        if size <= inner.left && inner.file.write_all(line).is_ok() {
            inner.left -= size;
        } else {
            // What comes later is no longer written either: a log with holes would mislead.
            inner.left = 0;
            inner.dropped += size;
        }
    }

    /// The last lines.
    pub fn last_lines(&self) -> Vec<String> {
        self.lock().last.iter().cloned().collect()
    }

    /// Says in the file how much it lacks, and ends it.
    pub fn close(&self) {
        let mut inner = self.lock();
        let dropped = std::mem::take(&mut inner.dropped);
        if dropped > 0 {
            let last: Vec<_> = inner.last.iter().cloned().collect();
            // The log is for people; nothing depends on it.
            let _ = writeln!(
                inner.file,
                "\n[{dropped} bytes are left out here, over the limit; the last lines were:]\n{}",
                last.join("\n")
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
