//! Errors of a specification, with file, line, key, what was found and what is allowed.

use std::path::PathBuf;

use toml::de::{DeTable, DeValue};

/// What is wrong with a specification.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// The file cannot be read.
    #[error("cannot read the specification `{path}`: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not TOML.
    #[error("{file}: {message}")]
    Syntax {
        /// The file.
        file: String,
        /// What the parser said, with the place.
        message: String,
    },
    /// A key is unknown, missing, of the wrong type, or has an impossible value.
    #[error("{place}: {message}")]
    Key {
        /// File and, where the key stands in it, line.
        place: String,
        /// Key, what was found, what is allowed.
        message: String,
    },
    /// A stored specification is not understood.
    #[error(
        "the stored specification is not understood at `{key}` ({message}): it was written by another version of peng"
    )]
    Stored {
        /// Where.
        key: String,
        /// Why.
        message: String,
    },
    /// The search holds curves that were trained elsewhere.
    #[error("its curves were imported from `{file}`: there is nothing that peng could train")]
    Imported {
        /// The file.
        file: String,
    },
}

/// A key with a value that it cannot have.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) key: String,
    pub(crate) found: String,
    pub(crate) allowed: String,
}

impl Fault {
    pub(crate) fn new(key: impl Into<String>, found: impl ToString, allowed: impl Into<String>) -> Self {
        Self { key: key.into(), found: found.to_string(), allowed: allowed.into() }
    }
}

impl From<genome::SettingError> for Fault {
    fn from(error: genome::SettingError) -> Self {
        Self { key: error.key, found: error.found, allowed: error.allowed }
    }
}

impl SpecError {
    pub(crate) fn syntax(file: &str, error: &toml::de::Error) -> Self {
        Self::Syntax { file: file.to_owned(), message: error.to_string().trim_end().to_owned() }
    }

    pub(crate) fn value(file: &str, text: &str, fault: Fault) -> Self {
        let Fault { key, found, allowed } = fault;
        let message = format!("`{key}` is {found}: expected {allowed}");
        Self::Key { place: place(file, text, &key), message }
    }

    pub(crate) fn from_serde(
        file: &str,
        text: &str,
        error: &serde_path_to_error::Error<toml::de::Error>,
    ) -> Self {
        let message = error.inner().message().trim();
        let path = error.path().to_string();
        let table = if path == "." { String::new() } else { path };
        if let Some((unknown, allowed)) = split_unknown(message) {
            // The path ends with the unknown key, but for tables with a `kind`, where it ends with the table.
            let table = table.strip_suffix(&unknown).map_or(table.as_str(), |t| t.trim_end_matches('.'));
            let key = join(table, &unknown);
            let message = format!("unknown key `{key}`{}: {}", hint(&unknown, &allowed), choices(&allowed));
            return Self::Key { place: place(file, text, &key), message };
        }
        if let Some(missing) = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'))
        {
            let key = join(&table, missing);
            return Self::Key { place: place(file, text, &table), message: format!("`{key}` is missing") };
        }
        if let Some((variant, allowed)) = split_variant(message) {
            let kind = join(&table, "kind");
            let key = if stands_in(text, &kind) { kind } else { table };
            let message = format!(
                "`{key}` is \"{variant}\"{}: expected {}",
                hint(&variant, &allowed),
                choices(&allowed)
            );
            return Self::Key { place: place(file, text, &key), message };
        }
        let message = if table.is_empty() { message.to_owned() } else { format!("`{table}`: {message}") };
        Self::Key { place: place(file, text, &table), message }
    }
}

fn join(table: &str, key: &str) -> String {
    if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") }
}

/// ``unknown field `kep`, expected one of `keep`, `risk` `` gives `kep` and the list.
fn split_unknown(message: &str) -> Option<(String, Vec<String>)> {
    split_named(message.strip_prefix("unknown field `")?)
}

fn split_variant(message: &str) -> Option<(String, Vec<String>)> {
    split_named(message.strip_prefix("unknown variant `")?)
}

fn split_named(rest: &str) -> Option<(String, Vec<String>)> {
    let (name, rest) = rest.split_once('`')?;
    let allowed = rest.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    Some((name.to_owned(), allowed))
}

/// The nearest valid name, if one is near.
fn hint(found: &str, allowed: &[String]) -> String {
    let near = allowed.iter().map(|name| (strsim::damerau_levenshtein(found, name), name)).min();
    match near {
        Some((distance, name)) if distance <= 1 + found.len() / 4 => format!(" (did you mean `{name}`?)"),
        _ => String::new(),
    }
}

fn choices(allowed: &[String]) -> String {
    if allowed.is_empty() { "no keys are allowed there".to_owned() } else { allowed.join(", ") }
}

fn place(file: &str, text: &str, key: &str) -> String {
    match locate(text, key).0 {
        Some(offset) => format!("{file}:{}", 1 + text[..offset].matches('\n').count()),
        None => file.to_owned(),
    }
}

/// Whether the text has this very key.
fn stands_in(text: &str, key: &str) -> bool {
    locate(text, key).1 == key.split('.').count()
}

/// Where a dotted key, or the nearest table around it, stands in the text, and how many of its parts were found.
fn locate(text: &str, key: &str) -> (Option<usize>, usize) {
    let Ok(document) = DeTable::parse(text) else {
        return (None, 0);
    };
    let mut table: &DeTable<'_> = document.get_ref();
    let (mut at, mut depth) = (None, 0);
    for part in key.split('.') {
        let name = part.split('[').next().unwrap_or(part);
        let Some((found, value)) = table.iter().find(|(candidate, _)| candidate.get_ref().as_ref() == name)
        else {
            break;
        };
        at = Some(found.span().start);
        depth += 1;
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => break,
        }
    }
    (at, depth)
}
