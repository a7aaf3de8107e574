//! Arguments, results and messages of peng's programs, with one answer to a reader that has gone and to a full disk.
//!
//! Rust lets its programs ignore SIGPIPE, so each write to a closed pipe is an error that some library wraps. A program that
//! took the signal again would die of a closed log, or of a training that closes its input, and lose its jobs. So the one
//! writer of results ends the program where the error is born, and nothing else does.

use std::{
    fmt::Display,
    io::{self, StdoutLock, Write},
    process,
};

use clap::Parser;

/// What a shell says of a program that SIGPIPE has ended, such as `cat`.
const CLOSED_PIPE: i32 = 141;

/// Results on standard output. Where the reader has gone, as behind `| head`, the program ends without a word, with the exit
/// code 141 of `cat`. Any other failure is an error that names standard output.
#[derive(Debug)]
pub struct Stdout(StdoutLock<'static>);

/// Standard output, for results.
pub fn stdout() -> Stdout {
    Stdout(io::stdout().lock())
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(refused)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(refused)
    }
}

/// Ends the program at a closed pipe; names the place of any other failure.
fn refused(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::BrokenPipe {
        process::exit(CLOSED_PIPE);
    }
    io::Error::new(error.kind(), format!("cannot write to standard output: {error}"))
}

/// Says something on standard error. What cannot be written there has no other place to go.
pub fn message(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// The arguments of the program. Prints help, a version or what is wrong with them, and ends the program, with exit code 1 if
/// its help cannot be written.
pub fn parse<Arguments: Parser>() -> Arguments {
    Arguments::try_parse().unwrap_or_else(|answer| {
        let printed = answer.print().and_then(|()| io::stdout().flush());
        match printed.map_err(refused) {
            Err(error) if !answer.use_stderr() => {
                message(format_args!("error: {error}"));
                process::exit(1)
            }
            _ => process::exit(answer.exit_code()),
        }
    })
}
