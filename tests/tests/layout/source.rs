//! What one Rust file declares and names: its modules, what it takes into use, and the paths in its text.

use crate::tokens::{tokens, without_tests};

/// Names parted by `::`.
pub type Path = Vec<String>;

/// A file, read no further than who imports whom needs.
#[derive(Debug, Default)]
pub struct Source {
    /// Modules that stand in files of their own.
    pub modules: Vec<String>,
    /// All that `use` takes in.
    pub uses: Vec<Use>,
    /// Paths of two names and more outside of `use`.
    pub paths: Vec<Path>,
}

/// One name that `use` takes in.
#[derive(Debug, PartialEq)]
pub struct Use {
    /// Where it comes from.
    pub path: Path,
    /// What it is called here.
    pub name: String,
    /// Whether it is only handed on.
    pub is_public: bool,
}

impl Source {
    pub fn parse(text: &str) -> Self {
        let tokens = without_tests(&tokens(text));
        let mut source = Self::default();
        let mut at = 0;
        while at < tokens.len() {
            let word = |ahead: usize| tokens.get(at + ahead).map_or("", String::as_str);
            match word(0) {
                "mod" if word(2) == ";" => {
                    source.modules.push(word(1).to_owned());
                    at += 3;
                }
                // `impl Trait + use<'a>` says what is captured.
                "use" if word(1) != "<" => {
                    let is_public = at > 0 && matches!(tokens[at - 1].as_str(), "pub" | ")");
                    at += 1;
                    take(&tokens, &mut at, &[], &mut |path, name| {
                        source.uses.push(Use { path, name, is_public });
                    });
                }
                name if is_name(name) && word(1) == "::" => source.paths.push(path(&tokens, &mut at)),
                _ => at += 1,
            }
        }
        source
    }
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn path(tokens: &[String], at: &mut usize) -> Path {
    let mut path = vec![tokens[*at].clone()];
    *at += 1;
    while tokens.get(*at).is_some_and(|token| token == "::")
        && let Some(name) = tokens.get(*at + 1).filter(|token| is_name(token))
    {
        path.push(name.clone());
        *at += 2;
    }
    // `Vec::<T>::new`: what follows is no module.
    while tokens.get(*at).is_some_and(|token| token == "::") {
        *at += 1;
    }
    path
}

/// Reads one branch of a `use` tree and calls `found` for each name at its ends.
fn take(tokens: &[String], at: &mut usize, before: &[String], found: &mut impl FnMut(Path, String)) {
    let mut path = before.to_vec();
    while let Some(token) = tokens.get(*at) {
        *at += 1;
        match token.as_str() {
            "::" => {}
            "{" => {
                while tokens.get(*at).is_some_and(|token| token != "}" && token != ";") {
                    take(tokens, at, &path, found);
                    *at += usize::from(tokens.get(*at).is_some_and(|token| token == ","));
                }
                *at += 1;
                return;
            }
            "as" => {
                let name = tokens.get(*at).cloned().unwrap_or_default();
                *at += 1;
                return found(path, name);
            }
            "self" if !path.is_empty() => {}
            "," | "}" | ";" => {
                *at -= 1;
                break;
            }
            name => path.push(name.to_owned()),
        }
    }
    let name = path.last().cloned().unwrap_or_default();
    found(path, name);
}

#[test]
fn a_file_is_read_as_the_compiler_reads_it() {
    let source = Source::parse(
        r##"//! use crate::comment::No;
        mod child;
        pub use child::Handed;
        use crate::{a::{self, B as C}, super_::D, e::*};
        fn f<'a>() -> char { let _ = r#"crate::raw::No"#; let _ = "\"crate::text::No"; '\'' }
        fn k() -> impl Sized + use<'_> { let _ = 1; }
        fn g() { crate::h::i(&Vec::<u8>::new()); child::j() }
        #[cfg(test)]
        mod tests { use crate::tested::No; }
        mod last;
        "##,
    );
    let uses: Vec<_> =
        source.uses.iter().map(|u| (u.path.join("::"), u.name.as_str(), u.is_public)).collect();
    let expected = [
        ("child::Handed", "Handed", true),
        ("crate::a", "a", false),
        ("crate::a::B", "C", false),
        ("crate::super_::D", "D", false),
        ("crate::e::*", "*", false),
    ];
    assert_eq!(uses, expected.map(|(path, name, is_public)| (path.to_owned(), name, is_public)));
    let paths: Vec<_> = source.paths.iter().map(|path| path.join("::")).collect();
    assert_eq!(paths, ["crate::h::i", "Vec", "child::j"]);
    assert_eq!(source.modules, ["child", "last"]);
}
