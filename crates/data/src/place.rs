use std::env;
use std::path::{Path, PathBuf};

/// Where packages of the operating system put data sets.
const SYSTEM: &str = "/usr/share/datasets";

/// The folders in which data sets are sought, the first one first. Each holds a folder per set, named like it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places(Vec<PathBuf>);

impl Places {
    /// The data directory of this user, then that of the operating system's packages.
    ///
    /// The data directory is `$PENG_DATA_DIR`, or `peng/data` in `$XDG_DATA_HOME` or `~/.local/share`.
    pub fn from_env() -> Self {
        let variable = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let user = variable("PENG_DATA_DIR").or_else(|| {
            let shared =
                variable("XDG_DATA_HOME").or_else(|| Some(variable("HOME")?.join(".local/share")))?;
            Some(shared.join("peng/data"))
        });
        Self(user.into_iter().chain([PathBuf::from(SYSTEM)]).collect())
    }

    /// The given folders and no others.
    pub fn only(folders: impl IntoIterator<Item = PathBuf>) -> Self {
        Self(folders.into_iter().collect())
    }

    /// Folders that may hold the set: `name` in each place, and in that the folder `inner` that its official archive
    /// unpacks to. A `path` from the spec goes before; a relative one lies in the places.
    pub(crate) fn candidates(&self, path: Option<&Path>, name: &str, inner: Option<&str>) -> Vec<PathBuf> {
        let name = path.unwrap_or(Path::new(name));
        // Joining an absolute path gives that path.
        let mut folders: Vec<PathBuf> = self.0.iter().map(|place| place.join(name)).collect();
        folders.dedup();
        folders
            .into_iter()
            .flat_map(|f| [Some(f.clone()), inner.map(|inner| f.join(inner))])
            .flatten()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_in_order() {
        let places = Places::only(["/a".into(), "/b".into()]);
        let paths = |list: &str| list.split(' ').map(PathBuf::from).collect::<Vec<_>>();
        let cases = [
            (None, None, "/a/mnist /b/mnist", "a folder named like the set in each place"),
            (None, Some("x"), "/a/mnist /a/mnist/x /b/mnist /b/mnist/x", "the archive's own folder too"),
            (Some("/c"), None, "/c", "an absolute path is sought once"),
        ];
        for (path, inner, expected, why) in cases {
            assert_eq!(places.candidates(path.map(Path::new), "mnist", inner), paths(expected), "{why}");
        }
    }
}
