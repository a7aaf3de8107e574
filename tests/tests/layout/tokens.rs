//! The words and marks of a Rust file, without its comments, texts and characters.

/// `::` is one token; words are as they stand; every other mark is a token of its own.
pub fn tokens(text: &str) -> Vec<String> {
    let mut reader = Reader { chars: text.chars().collect(), at: 0 };
    let mut tokens = Vec::new();
    while let Some(token) = reader.next() {
        tokens.push(token);
    }
    tokens
}

/// Takes out what is compiled for tests alone: `#[cfg(test)]` with the item behind it.
pub fn without_tests(tokens: &[String]) -> Vec<String> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at..].iter().map(String::as_str).take(MARK.len()).eq(MARK) {
            at += MARK.len() + item_length(&tokens[at + MARK.len()..]);
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// Tokens up to the end of an item: its closing brace, or a semicolon before any brace.
fn item_length(tokens: &[String]) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 && matches!(token.as_str(), "}" | ";") {
            return at + 1;
        }
    }
    tokens.len()
}

struct Reader {
    chars: Vec<char>,
    at: usize,
}

impl Reader {
    fn next(&mut self) -> Option<String> {
        loop {
            let (first, second) = (*self.chars.get(self.at)?, self.peek(1));
            match (first, second) {
                ('/', Some('/')) => self.skip_past("\n"),
                ('/', Some('*')) => self.skip_past("*/"),
                ('"', _) => self.skip_text(),
                ('\'', _) => self.skip_character(),
                (':', Some(':')) => {
                    self.at += 2;
                    return Some("::".to_owned());
                }
                (c, _) if c.is_alphanumeric() || c == '_' => {
                    let word = self.word();
                    if !(matches!(word.as_str(), "r" | "br") && self.skip_raw_text()) {
                        return Some(word);
                    }
                }
                (c, _) => {
                    self.at += 1;
                    if !c.is_whitespace() {
                        return Some(c.to_string());
                    }
                }
            }
        }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn word(&mut self) -> String {
        let rest = self.chars[self.at..].iter();
        let word: String = rest.take_while(|c| c.is_alphanumeric() || **c == '_').collect();
        self.at += word.chars().count();
        word
    }

    fn skip_past(&mut self, end: &str) {
        let end: Vec<char> = end.chars().collect();
        let found = self.chars[self.at..].windows(end.len()).position(|window| window == end);
        self.at = found.map_or(self.chars.len(), |found| self.at + found + end.len());
    }

    fn skip_text(&mut self) {
        self.at += 1;
        while self.peek(0).is_some_and(|c| c != '"') {
            self.at += if self.peek(0) == Some('\\') { 2 } else { 1 };
        }
        self.at += 1;
    }

    /// Behind the word `r`: whether a raw text began there.
    fn skip_raw_text(&mut self) -> bool {
        let hashes = self.chars[self.at..].iter().take_while(|c| **c == '#').count();
        if self.peek(hashes) != Some('"') {
            return false;
        }
        self.at += hashes + 1;
        self.skip_past(&format!("\"{}", "#".repeat(hashes)));
        true
    }

    /// A character, or the mark of a lifetime.
    fn skip_character(&mut self) {
        match (self.peek(1), self.peek(2)) {
            (Some('\\'), _) => {
                self.at += 3;
                self.skip_past("'");
            }
            (_, Some('\'')) => self.at += 3,
            _ => self.at += 1,
        }
    }
}
