//! The table and the drawing of docs/layout.md.

use std::{collections::BTreeSet, fs};

use crate::manifests::{Arrows, root};

/// The page: what each crate may use, and the arrows that are drawn.
#[derive(Debug, Default)]
pub struct Page {
    /// By the table.
    pub allowed: Arrows,
    /// By the drawing, which leaves out what follows from other arrows.
    pub drawn: Arrows,
}

impl Page {
    pub fn read() -> Self {
        Self::parse(&fs::read_to_string(root().join("docs/layout.md")).unwrap())
    }

    fn parse(text: &str) -> Self {
        let mut page = Self::default();
        for line in text.lines() {
            if let Some((folder, names)) = row(line) {
                page.allowed.insert(folder, names);
            } else if let Some((from, to)) = line.split_once("-->") {
                for from in listed(from, '&') {
                    page.drawn.entry(from).or_default().extend(listed(to, '&'));
                }
            }
        }
        page
    }
}

/// The folder of a row and what it may use.
fn row(line: &str) -> Option<(String, BTreeSet<String>)> {
    let mut cells = line.strip_prefix("| `")?.split('|');
    let folder = cells.next()?.trim().trim_end_matches('`').to_owned();
    Some((folder, listed(cells.nth(1)?, ',')))
}

/// Names of crates as their folders.
fn listed(names: &str, mark: char) -> BTreeSet<String> {
    names.split(mark).map(str::trim).filter(|name| !name.is_empty()).map(folder).collect()
}

/// `store` is crates/store, `workers/exec` is itself.
fn folder(name: &str) -> String {
    if name.contains('/') || name == "tests" { name.to_owned() } else { format!("crates/{name}") }
}
