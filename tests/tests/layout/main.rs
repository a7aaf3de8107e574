//! The house keeps its shape: manifests as docs/layout.md says, files of a crate that point one way, files that can be read.
#![expect(clippy::unwrap_used, reason = "a test")]

mod circles;
mod manifests;
mod page;
mod source;
mod tokens;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use circles::Tree;
use manifests::{arrows, reached, root, roots};
use page::Page;

/// Who must not reach whom, not even by others.
const NEVER: [(&[&str], &str, &str); 2] = [
    (
        &["domain", "predictor", "scheduler", "genome", "strategy", "data"],
        "crates/store",
        "what is pure knows no database",
    ),
    (&["runner", "cli"], "crates/trainer", "they build without libtorch"),
];

/// Most lines of a file of the worker's life.
const LONGEST: usize = 300;

#[test]
fn every_crate_depends_only_on_what_the_table_allows() {
    let allowed = Page::read().allowed;
    let mut faults = Vec::new();
    for (folder, used) in arrows() {
        let Some(allowed) = allowed.get(&folder) else {
            faults.push(format!("{folder} has no row in docs/layout.md"));
            continue;
        };
        faults.extend(used.difference(allowed).map(|other| format!("{folder} must not use {other}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn what_the_table_allows_is_what_the_drawing_shows() {
    let Page { allowed, drawn } = Page::read();
    let nothing = BTreeSet::new();
    let mut faults = Vec::new();
    for folder in allowed.keys().chain(drawn.keys()).collect::<BTreeSet<_>>() {
        let (in_table, in_drawing) = (allowed.get(folder), drawn.get(folder));
        let (in_table, in_drawing) = (in_table.unwrap_or(&nothing), in_drawing.unwrap_or(&nothing));
        let more = in_drawing.difference(in_table);
        faults.extend(more.map(|to| format!("an arrow from {folder} to {to}, which it may not use")));
        let reached = reached(folder, &drawn);
        let less = in_table.difference(&reached);
        faults.extend(less.map(|to| format!("no arrow from {folder} to {to}, which it may use")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn nobody_reaches_what_is_never_to_be_used() {
    let arrows = arrows();
    for (from, to, why) in NEVER {
        for folder in from.iter().map(|name| format!("crates/{name}")) {
            assert!(!reached(&folder, &arrows).contains(to), "{folder} reaches {to}: {why}");
        }
    }
    for (folder, used) in &arrows {
        let worker = used.iter().find(|other| other.starts_with("workers/"));
        assert!(worker.is_none(), "{folder} uses {worker:?}: a worker is a program, not a library");
    }
}

#[test]
fn no_two_files_of_a_crate_import_each_other() {
    let mut circles = Vec::new();
    for file in arrows().keys().flat_map(|folder| roots(folder)) {
        let shown = file.strip_prefix(root()).unwrap().display().to_string();
        circles.extend(Tree::read(&file).circles().into_iter().map(|circle| format!("{shown}: {circle}")));
    }
    assert!(circles.is_empty(), "{}", circles.join("\n\n"));
}

#[test]
fn no_file_of_the_runner_is_longer_than_a_reader_holds_in_mind() {
    let long: Vec<String> = files(&root().join("crates/runner/src"))
        .into_iter()
        .map(|file| (fs::read_to_string(&file).unwrap().lines().count(), file))
        .filter(|(lines, _)| *lines > LONGEST)
        .map(|(lines, file)| format!("{} has {lines} lines", file.display()))
        .collect();
    assert!(long.is_empty(), "more than {LONGEST}: {long:?}");
}

/// All files in a folder and the folders in it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
