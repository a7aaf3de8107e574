//! The crates of the workspace and what their manifests depend on.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use toml::Table;

/// From the folder of each crate, such as `crates/store`, to the folders of those that it depends on outside of tests.
pub type Arrows = BTreeMap<String, BTreeSet<String>>;

/// The folder of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The arrows that the manifests draw.
pub fn arrows() -> Arrows {
    let workspace = table(&root().join("Cargo.toml"));
    let members = workspace["workspace"]["members"].as_array().unwrap();
    let shared = workspace["workspace"]["dependencies"].as_table().unwrap();
    let member = |folder: &toml::Value| {
        let folder = folder.as_str().unwrap().to_owned();
        let manifest = table(&root().join(&folder).join("Cargo.toml"));
        let dependencies = dependencies(&manifest);
        let ours =
            dependencies.iter().filter_map(|(name, value)| ours(&folder, name, value, shared)).collect();
        (folder, ours)
    };
    members.iter().map(member).collect()
}

/// All that the crate reaches by arrows.
pub fn reached(from: &str, arrows: &Arrows) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(folder) = open.pop() {
        let next = arrows.get(folder).into_iter().flatten();
        open.extend(next.filter(|folder| reached.insert((*folder).clone())).map(String::as_str));
    }
    reached
}

/// The files that are compiled by themselves: `lib.rs`, `main.rs` and those that `[[bin]]` names.
pub fn roots(folder: &str) -> Vec<PathBuf> {
    let folder = root().join(folder);
    let manifest = table(&folder.join("Cargo.toml"));
    let bins = manifest.get("bin").and_then(toml::Value::as_array).into_iter().flatten();
    let named = bins.filter_map(|bin| bin.get("path")?.as_str().map(str::to_owned));
    let all: BTreeSet<String> = named.chain(["src/lib.rs", "src/main.rs"].map(str::to_owned)).collect();
    all.iter().map(|path| folder.join(path)).filter(|path| path.exists()).collect()
}

fn table(path: &Path) -> Table {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Of every target, with those of build scripts, without those of tests.
fn dependencies(manifest: &Table) -> Vec<(String, toml::Value)> {
    let targets = manifest.get("target").and_then(toml::Value::as_table).into_iter().flatten();
    let tables = targets.filter_map(|(_, target)| target.as_table()).chain([manifest]);
    tables
        .flat_map(|table| ["dependencies", "build-dependencies"].map(|kind| table.get(kind)))
        .flatten()
        .filter_map(toml::Value::as_table)
        .flat_map(Clone::clone)
        .collect()
}

/// The folder of a dependency, if it is a crate of this workspace.
fn ours(folder: &str, name: &str, value: &toml::Value, shared: &Table) -> Option<String> {
    let path = |value: &toml::Value| value.get("path")?.as_str().map(str::to_owned);
    let path = match path(value) {
        Some(path) => root().join(folder).join(path),
        None => root().join(path(shared.get(name)?)?),
    };
    let path = fs::canonicalize(path).unwrap();
    Some(path.strip_prefix(fs::canonicalize(root()).unwrap()).unwrap().display().to_string())
}
