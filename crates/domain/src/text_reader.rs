//! Text that people and their programs write: UTF-8, with or without a byte order mark.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

const MARK: &[u8] = b"\xef\xbb\xbf";

/// Text as it comes in from a file, a pipe or memory. All text is read through this: a byte order mark at its start is left
/// out, lines of Windows end as others do, and the last line ends too.
///
/// It reads a line at a time, so that one that is waited for is there as soon as it ends. Bytes that are no UTF-8 are an error
/// of kind [`io::ErrorKind::InvalidData`] that names the line; UTF-16 is named as such.
#[derive(Debug)]
pub struct TextReader<R> {
    source: R,
    line: Vec<u8>,
    /// What of the line has been taken.
    taken: usize,
    /// Lines read so far.
    lines: u64,
}

impl TextReader<BufReader<File>> {
    /// The text of a file.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self::new(BufReader::new(File::open(path)?)))
    }
}

impl<R: BufRead> TextReader<R> {
    /// The text of anything that can be read.
    pub fn new(source: R) -> Self {
        Self { source, line: vec![], taken: 0, lines: 0 }
    }

    fn next_line(&mut self) -> io::Result<()> {
        self.line.clear();
        self.taken = 0;
        if self.source.read_until(b'\n', &mut self.line)? == 0 {
            return Ok(());
        }
        self.lines += 1;
        if self.lines == 1 {
            self.check_encoding()?;
            if self.line.starts_with(MARK) {
                self.taken = MARK.len();
            }
        }
        self.check_line()?;
        let end =
            self.line.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).map_or(0, |last| last + 1);
        self.line.truncate(end.max(self.taken));
        self.line.push(b'\n');
        Ok(())
    }

    /// No text in UTF-8 begins so: with the mark of UTF-16 or UTF-32, or with half a letter of one of them.
    fn check_encoding(&self) -> io::Result<()> {
        let marked = self.line.starts_with(b"\xff\xfe") || self.line.starts_with(b"\xfe\xff");
        if marked || self.line.iter().take(2).any(|byte| *byte == 0) {
            return Err(invalid("the text is UTF-16: expected UTF-8, save it as that".to_owned()));
        }
        Ok(())
    }

    fn check_line(&self) -> io::Result<()> {
        let Err(error) = std::str::from_utf8(&self.line) else { return Ok(()) };
        let at = error.valid_up_to();
        let byte = self.line.get(at).copied().unwrap_or_default();
        Err(invalid(format!(
            "line {}: byte {} is {byte:#04x}, which is no UTF-8: save the text as that",
            self.lines,
            at + 1
        )))
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

impl<R: BufRead> BufRead for TextReader<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.taken == self.line.len() {
            self.next_line()?;
        }
        Ok(&self.line[self.taken..])
    }

    fn consume(&mut self, amount: usize) {
        self.taken += amount;
    }
}

impl<R: BufRead> Read for TextReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(into)?;
        self.consume(read);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<String, String> {
        let mut text = String::new();
        let read = TextReader::new(bytes).read_to_string(&mut text);
        read.map(|_| text).map_err(|error| error.to_string())
    }

    #[test]
    fn marks_and_line_ends_make_no_difference() {
        let table: [(&[u8], &str, &str); 10] = [
            (b"", "", "nothing"),
            (b"a\nb\n", "a\nb\n", "plain"),
            (b"\xef\xbb\xbfa\nb\n", "a\nb\n", "with a mark"),
            (b"a\r\nb\r\n", "a\nb\n", "of Windows"),
            (b"a\n\n b", "a\n\n b\n", "without an end"),
            (b"a\r", "a\n", "with half an end"),
            (b"\xef\xbb\xbfa\r\r\n\r\n", "a\n\n", "that became lines of Windows twice"),
            (b"\xef\xbb\xbf", "\n", "a mark alone"),
            (b"a\xef\xbb\xbfb", "a\u{feff}b\n", "a mark within stays"),
            ("é\n東\n".as_bytes(), "é\n東\n", "letters of more bytes"),
        ];
        for (bytes, expected, why) in table {
            assert_eq!(read(bytes).as_deref(), Ok(expected), "{why}");
        }
    }

    #[test]
    fn other_encodings_are_named() {
        let utf16 = |mark: bool, order: fn(u16) -> [u8; 2]| -> Vec<u8> {
            let mark = mark.then_some(0xfeff_u16);
            mark.into_iter().chain("arch,epoch\n1,2\n".encode_utf16()).flat_map(order).collect()
        };
        for bytes in [
            utf16(true, u16::to_le_bytes),
            utf16(true, u16::to_be_bytes),
            utf16(false, u16::to_le_bytes),
            utf16(false, u16::to_be_bytes),
        ] {
            assert_eq!(read(&bytes).unwrap_err(), "the text is UTF-16: expected UTF-8, save it as that");
        }
        assert_eq!(
            read(b"a\nb\xfcc\n").unwrap_err(),
            "line 2: byte 2 is 0xfc, which is no UTF-8: save the text as that"
        );
    }

    #[test]
    fn a_line_is_there_before_the_next_is_written() {
        /// A pipe that has given one line, and whose next read would wait.
        struct Pipe(&'static [u8]);
        impl Read for Pipe {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                assert!(!self.0.is_empty(), "it asked for more than the line");
                self.0.read(into)
            }
        }
        let mut reader = TextReader::new(BufReader::new(Pipe(b"{}\n")));
        assert_eq!(reader.fill_buf().ok(), Some(&b"{}\n"[..]));
    }
}
