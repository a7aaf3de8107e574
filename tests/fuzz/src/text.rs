//! Text of any origin, and the names of checkpoints.

use std::io::Read as _;

use domain::{CheckpointKey, TextReader, for_people, uri_component};

/// Text that is read is read the same again; what people see holds nothing that a terminal obeys.
pub fn check(data: &[u8]) {
    let mut text = String::new();
    match TextReader::new(data).read_to_string(&mut text) {
        Ok(_) => {
            assert!(text.is_empty() || text.ends_with('\n'));
            // A zero at the beginning is taken for half a letter of UTF-16, unless a mark stood before it.
            if !text.bytes().take(2).any(|byte| byte == 0) {
                let mut again = String::new();
                TextReader::new(text.as_bytes()).read_to_string(&mut again).expect("it was read before");
                // Two marks are a mark and a letter.
                assert_eq!(again, text.strip_prefix('\u{feff}').unwrap_or(&text));
            }
        }
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::InvalidData, "{error}"),
    }
    let lossy = String::from_utf8_lossy(data);
    let shown = for_people(&lossy);
    assert!(shown.len() <= 8192 && !shown.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n')));
    assert_eq!(for_people(&shown), shown);
    let uri = uri_component(&lossy);
    assert!(uri.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#&=@:\"'<>".contains(&byte)), "{uri}");
    if let Ok(key) = lossy.parse::<CheckpointKey>() {
        assert_eq!(key.to_string(), lossy);
    }
}
