//! Where peng keeps what is its user's own.

use std::{env, path::PathBuf};

use rustix::process::getuid;

/// `PENG_HOME`, else `/var/lib/peng` for root, else `$XDG_DATA_HOME/peng` or `~/.local/share/peng`. Never a place that depends on
/// `TMPDIR`: two commands would not find each other.
pub fn default_home() -> PathBuf {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(home) = set("PENG_HOME") {
        return home;
    }
    if getuid().is_root() {
        return PathBuf::from("/var/lib/peng");
    }
    // Without HOME, what the system knows of the user.
    let home = || env::home_dir().filter(|home| home.is_absolute()).map(|home| home.join(".local/share"));
    let data = set("XDG_DATA_HOME").or_else(home).map(|data| data.join("peng"));
    data.unwrap_or_else(|| PathBuf::from(format!("/tmp/peng-{}", getuid().as_raw())))
}
