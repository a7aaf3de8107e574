//! One check for each reader of what comes in from outside: any bytes are understood, and then mean the same when they are
//! written and read again, or they are refused in words that say where. `fuzz_targets` gives the checks to libFuzzer,
//! `tests/tests/fuzz.rs` gives them the files in `seeds`.

pub mod archive;
pub mod checkpoint;
pub mod conninfo;
pub mod curves;
pub mod fit;
pub mod genome;
pub mod idx;
pub mod mat;
pub mod protocol;
pub mod selection;
pub mod snapshot;
pub mod spec;
pub mod text;

/// Asserts that an error is about a line that the text has, counted from 1.
fn assert_line(line: u64, text: &[u8], error: &dyn std::fmt::Display) {
    let lines = text.split(|byte| *byte == b'\n').count() as u64;
    assert!((1..=lines).contains(&line), "line {line} of {lines}: {error}");
}
