//! Text of foreign origin, for errors, logs and the database.

/// Longest text, in bytes.
const LONGEST: usize = 8 * 1024;
/// Room for the sentence about what is left out.
const NOTE: usize = 64;

/// Text of any origin as it may be stored and shown: of at most 8 KiB, with nothing that Postgres refuses or a terminal obeys.
///
/// Tabs and newlines stay, a carriage return before a newline goes; every other control character becomes its picture, NUL `␀`
/// and the escape of a colour code `␛`, and one of Latin-1 (U+0080 to U+009F) `�`. Of a longer text the middle is left out, at
/// boundaries of characters, and a line says so: what went wrong first stands at its start, what was said last at its end.
/// The text of a text is the text itself.
pub fn for_people(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(next) = rest.next() {
        if next != '\r' || rest.peek() != Some(&'\n') {
            shown.push(picture(next));
        }
    }
    shortened(shown)
}

fn picture(character: char) -> char {
    match character {
        '\t' | '\n' => character,
        '\0'..='\x1f' => char::from_u32(0x2400 + character as u32).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\x7f' => '␡',
        '\u{80}'..='\u{9f}' => char::REPLACEMENT_CHARACTER,
        _ => character,
    }
}

/// A quarter from the start and the rest from the end.
fn shortened(text: String) -> String {
    if text.len() <= LONGEST {
        return text;
    }
    let is_boundary = |at: &usize| text.is_char_boundary(*at);
    let head = (0..=(LONGEST - NOTE) / 4).rev().find(is_boundary).unwrap_or_default();
    let tail = (text.len() - (LONGEST - NOTE - head)..=text.len()).find(is_boundary).unwrap_or(text.len());
    format!("{}\n[… {} bytes left out …]\n{}", &text[..head], tail - head, &text[tail..])
}

/// Text as a part of a URI: all but letters, digits and `-._~/` is percent-encoded, so that nothing in it ends the part.
pub fn uri_component(text: &str) -> String {
    text.bytes().fold(String::new(), |mut uri, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
        uri
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_pictures() {
        let table = [
            ("", "", "nothing"),
            ("épochs\t3\nloss 0.1", "épochs\t3\nloss 0.1", "tabs, newlines and letters stay"),
            ("bad \0 byte", "bad ␀ byte", "NUL, refused by Postgres"),
            ("\x1b[31mred\x1b[0m", "␛[31mred␛[0m", "colours of a terminal"),
            ("\u{9b}31mred", "�31mred", "the same in one character"),
            ("a\r\nb\r\n", "a\nb\n", "lines of Windows"),
            ("10 %\r20 %\r", "10 %␍20 %␍", "a progress bar"),
            ("\x07\x08\x7f", "␇␈␡", "bell, backspace, delete"),
            ("␀ \u{fffd} 😀", "␀ \u{fffd} 😀", "pictures stay pictures"),
        ];
        for (text, expected, why) in table {
            assert_eq!(for_people(text), expected, "{why}");
            assert_eq!(for_people(expected), expected, "{why}, again");
        }
    }

    #[test]
    fn of_a_long_text_the_middle_is_left_out() {
        for letter in ["x", "é", "␀", "😀", "\0"] {
            for length in [LONGEST - 1, LONGEST, LONGEST + 1, 3 * LONGEST, 1 << 20] {
                let text =
                    format!("first {}{} last", "-".repeat(length % 4), letter.repeat(length / letter.len()));
                let shown = for_people(&text);
                assert!(shown.len() <= LONGEST, "{letter}, {length}: {}", shown.len());
                assert!(shown.starts_with("first ") && shown.ends_with(" last"), "{letter}, {length}");
                assert_eq!(for_people(&shown), shown, "{letter}, {length}: again");
                let is_whole = shown == text.replace('\0', "␀");
                assert_eq!(shown.contains("bytes left out"), !is_whole, "{letter}, {length}");
            }
        }
    }

    #[test]
    fn what_is_left_out_is_counted() {
        let text = "x".repeat(10_000);
        let shown = for_people(&text);
        let left: usize = shown.split_once("[… ").unwrap().1.split(' ').next().unwrap().parse().unwrap();
        assert_eq!(left + shown.matches('x').count(), text.len());
    }
}
