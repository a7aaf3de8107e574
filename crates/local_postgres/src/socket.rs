//! Where the socket of a server is.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The number in the name of the socket; no port is opened.
pub(crate) const PORT: u16 = 5432;
/// The longest path of a Unix socket that Linux takes, less its final zero.
const LONGEST: usize = 107;

/// The directory of the socket: `run` in the home, or a short name in `/tmp` where the path would be too long or holds a comma,
/// which libpq takes for the end of a host. It depends on nothing but the home, however that is spelt.
pub(crate) fn dir(home: &Path) -> PathBuf {
    let near = fs::canonicalize(home).unwrap_or_else(|_| home.to_owned()).join("run");
    let bytes = near.as_os_str().as_encoded_bytes();
    if bytes.len() + format!("/.s.PGSQL.{PORT}.lock").len() <= LONGEST && !bytes.contains(&b',') {
        return near;
    }
    let digest = <sha2::Sha256 as sha2::Digest>::digest(bytes);
    let short: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    Path::new("/tmp").join(format!("peng-{short}"))
}

/// The socket in its directory.
pub(crate) fn file(dir: &Path) -> PathBuf {
    dir.join(format!(".s.PGSQL.{PORT}"))
}

/// The directory as `unix_socket_directories` reads it: a list in which names stand between double quotes.
pub(crate) fn setting(dir: &Path) -> String {
    format!("\"{}\"", dir.display().to_string().replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_no_socket_can_have_gets_a_short_one_of_its_own() {
        let long = format!("/home/{}", "x".repeat(100));
        for (home, is_near) in [("/home/a b", true), ("/home/x,y", false), (long.as_str(), false)] {
            let dir = dir(Path::new(home));
            assert_eq!(dir == Path::new(home).join("run"), is_near, "{}", dir.display());
            assert!(file(&dir).as_os_str().len() + ".lock".len() <= LONGEST);
        }
        assert_ne!(dir(Path::new("/home/x,y")), dir(Path::new("/home/x,z")));
    }
}
