//! Whole numbers that no 64 bits hold.

use thiserror::Error;

/// A whole number that would be rounded on its way to the training.
#[derive(Debug, Error)]
#[error(
    "the whole number {0} is beyond 64 bits: expected -9223372036854775808 to 18446744073709551615, or a text"
)]
pub struct WholeNumberError(String);

/// Ok if 64 bits, with or without a sign, hold each whole number in a JSON text. The parser would round others in silence.
///
/// # Errors
/// The first that they do not hold.
pub fn check_whole_numbers(json: &str) -> Result<(), WholeNumberError> {
    beyond_64_bits(json).map_or(Ok(()), |found| Err(WholeNumberError(found.to_owned())))
}

fn beyond_64_bits(json: &str) -> Option<&str> {
    let mut rest = json;
    while let Some(at) = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit()) {
        rest = &rest[at..];
        if rest.starts_with('"') {
            rest = &rest[text_length(rest)..];
            continue;
        }
        let end =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c))).unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        let is_whole = number.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit());
        if is_whole && number.parse::<i64>().is_err() && number.parse::<u64>().is_err() {
            return Some(number);
        }
        rest = after;
    }
    None
}

/// Bytes of the JSON string that a text begins with.
fn text_length(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_found_wherever_they_stand() {
        let table = [
            (r#"{"n":18446744073709551615,"m":-9223372036854775808}"#, None, "the largest and the smallest"),
            (r#"{"n":18446744073709551616}"#, Some("18446744073709551616"), "one more"),
            ("[1,[-9223372036854775809]]", Some("-9223372036854775809"), "one less"),
            (
                r#"{"n":1e30,"m":123456789012345678901.5,"o":2E+400}"#,
                None,
                "no whole numbers, as they are written",
            ),
            (r#"{"123456789012345678901":"a\"98765432109876543210\\"}"#, None, "texts"),
            (r#"{"a":"\\","n":123456789012345678901}"#, Some("123456789012345678901"), "behind a text"),
            ("", None, "nothing"),
            (r#"{"a":"#, None, "no JSON is no matter"),
            (r#"{"a":"x"#, None, "nor is a text without an end"),
        ];
        for (json, expected, why) in table {
            assert_eq!(beyond_64_bits(json), expected, "{why}: {json}");
        }
    }
}
