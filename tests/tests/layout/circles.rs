//! Files of one crate that import each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::source::{self, Source};

/// Name of a module below the root of its crate; the root's is empty.
type Module = source::Path;

/// The files that one root file (`lib.rs`, `main.rs`) declares, and those that they declare.
#[derive(Debug, Default)]
pub struct Tree {
    files: BTreeMap<Module, Source>,
}

impl Tree {
    pub fn read(root: &Path) -> Self {
        let mut tree = Self::default();
        tree.add(Module::new(), root, root.parent().unwrap());
        tree
    }

    fn add(&mut self, module: Module, file: &Path, folder: &Path) {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let source = Source::parse(&text);
        for child in &source.modules {
            let (beside, within) = (folder.join(format!("{child}.rs")), folder.join(child));
            let file = if beside.exists() { beside } else { within.join("mod.rs") };
            self.add(joined(&module, child), &file, &within);
        }
        self.files.insert(module, source);
    }

    /// Groups of files of which each reaches each other, with the imports that make it so.
    pub fn circles(&self) -> Vec<String> {
        let imports: BTreeMap<&Module, _> =
            self.files.keys().map(|module| (module, self.imports(module))).collect();
        let reached: BTreeMap<&Module, _> =
            self.files.keys().map(|module| (module, reached(module, &imports))).collect();
        let mut circles = BTreeSet::new();
        for (module, reaches) in &reached {
            let group: Vec<&Module> =
                reaches.iter().filter(|other| reached[*other].contains(*module)).collect();
            if !group.is_empty() {
                circles.insert(described(&group, &imports));
            }
        }
        circles.into_iter().collect()
    }

    /// The other files that a file imports, each with a name that it takes from there. What it only hands on does not
    /// count: a `lib.rs` knows nothing of what it lists.
    fn imports(&self, module: &Module) -> BTreeMap<Module, String> {
        let source = &self.files[module];
        let used = source.uses.iter().filter(|taken| !taken.is_public).map(|taken| &taken.path);
        used.chain(&source.paths)
            .filter_map(|path| Some((self.home(module, path, 0)?, path.join("::"))))
            .filter(|(home, _)| home != module)
            .collect()
    }

    /// The file that defines what `path` means in `module`; none for what is of another crate.
    fn home(&self, module: &Module, path: &[String], depth: usize) -> Option<Module> {
        let (mut at, mut rest) = self.start(module, path)?;
        while let Some((name, further)) = rest.split_first() {
            let child = joined(&at, name);
            if self.files.contains_key(&child) {
                (at, rest) = (child, further);
                continue;
            }
            let handed_on = self.files[&at].uses.iter().find(|taken| taken.name == *name);
            return match handed_on {
                Some(taken) if depth < 8 => self.home(&at, &[&taken.path, further].concat(), depth + 1),
                _ => Some(at),
            };
        }
        Some(at)
    }

    fn start<'a>(&self, module: &Module, path: &'a [String]) -> Option<(Module, &'a [String])> {
        match path.first()?.as_str() {
            "crate" => Some((Module::new(), &path[1..])),
            "self" => Some((module.clone(), &path[1..])),
            "super" => {
                let up = path.iter().take_while(|name| *name == "super").count();
                Some((module[..module.len().checked_sub(up)?].to_vec(), &path[up..]))
            }
            name => {
                self.files[module].modules.iter().any(|child| child == name).then(|| (module.clone(), path))
            }
        }
    }
}

fn joined(module: &Module, child: &str) -> Module {
    module.iter().cloned().chain([child.to_owned()]).collect()
}

fn reached(from: &Module, imports: &BTreeMap<&Module, BTreeMap<Module, String>>) -> BTreeSet<Module> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(module) = open.pop() {
        for next in imports[module].keys() {
            if reached.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    reached
}

fn described(group: &[&Module], imports: &BTreeMap<&Module, BTreeMap<Module, String>>) -> String {
    let shown = |module: &Module| if module.is_empty() { "the root".to_owned() } else { module.join("/") };
    let within = |module: &&Module| {
        let from = shown(module);
        imports[*module]
            .iter()
            .filter(|(to, _)| group.contains(to))
            .map(|(to, name)| format!("{from} takes `{name}` from {}", shown(to)))
            .collect::<Vec<_>>()
    };
    group.iter().flat_map(within).collect::<Vec<_>>().join("; ")
}

#[test]
fn files_that_import_each_other_are_found_through_what_is_handed_on() {
    let table = [
        (["use crate::B;", "pub struct B;"], "", "one way"),
        (
            ["use crate::B; pub struct A;", "use super::a::A; pub struct B;"],
            "a takes `crate::B` from b; b takes `super::a::A` from a",
            "by lib.rs and by name",
        ),
        (
            ["pub struct A;", "fn b() { crate::c::f() } pub struct B;"],
            "b takes `crate::c::f` from c; c takes `crate::b` from b",
            "a path in the text",
        ),
        (["use crate::ROOT;", "pub struct B;"], "", "the root does not import what it hands on"),
    ];
    for ([a, b], expected, why) in table {
        let folder = tempfile::tempdir().unwrap();
        let files = [
            ("lib.rs", "mod a; mod b; mod c; pub use b::B; pub const ROOT: u8 = 0;"),
            ("a.rs", a),
            ("b.rs", b),
            ("c.rs", "use crate::b; pub fn f() {}"),
        ];
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let circles = Tree::read(&folder.path().join("lib.rs")).circles();
        assert_eq!(circles.join("\n"), expected, "{why}");
    }
}
