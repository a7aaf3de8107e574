//! What an object store answers, and what it means.

use std::error::Error as StdError;

/// What an object store answered, in few words.
pub struct Answer {
    status: Option<u16>,
    /// One of those that change what an answer means.
    pub code: Option<&'static str>,
    pub text: String,
}

impl Answer {
    const CODES: &[&str] = &["NoSuchBucket", "NoSuchKey"];

    /// S3 answers with a page of XML, of which code and message matter; a signature that does not match is answered
    /// with all that was signed. Without an answer the innermost cause says most.
    pub fn read(error: &object_store::Error) -> Self {
        let whole = error.to_string();
        let between = |from: &str, to: &str| {
            let rest = whole.split_once(from)?.1;
            Some(rest.split_once(to)?.0.trim())
        };
        let status =
            between("status code: ", " ").and_then(|number| number.trim_end_matches(':').parse().ok());
        let named = between("<Code>", "</Code>");
        let text = match (status, named, between("<Message>", "</Message>")) {
            (Some(status), Some(code), Some(message)) => {
                format!("{status} {code}: {}", message.trim_end_matches('.'))
            }
            (Some(status), Some(code), None) => format!("{status} {code}"),
            (Some(status), None, _) => format!("{status}"),
            (None, ..) => causes(error).last().map_or_else(|| whole.clone(), ToString::to_string),
        };
        let code = Self::CODES.iter().copied().find(|code| named == Some(code));
        Self { status, code, text }
    }

    /// Whether the same request would be answered in the same way again.
    pub fn is_refusal(&self) -> bool {
        self.status.is_some_and(|status| (300..500).contains(&status) && ![408, 425, 429].contains(&status))
    }
}

/// An error and what caused it, outermost first.
pub fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}
