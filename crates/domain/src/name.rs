//! Names of searches and classes of workers.

/// What a name may be, for people.
pub const NAMES: &str = "1 to 100 letters, digits, `.`, `_` or `-`, a letter or digit first";

/// Whether a text may be the name of a search or of a class of workers, see [`NAMES`]. The schema asks the same of it.
pub fn is_name(text: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    text.len() <= 100 && text.chars().all(good) && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_words_of_letters_and_digits() {
        let long = "a".repeat(100);
        for good in ["a", "7", "fashion-1.b_c", &long] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "-a", ".a", "a b", "é", "a/b", "a\n", &format!("{long}a")] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
