//! Where peng keeps what is its user's own.

use std::{env, path::PathBuf};

use rustix::process::getuid;

/// `PENG_HOME`, else `/var/lib/peng` for root, else `$XDG_DATA_HOME/peng` or `~/.local/share/peng`.
pub fn default_home() -> PathBuf {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(home) = set("PENG_HOME") {
        return home;
    }
    if getuid().is_root() {
        return PathBuf::from("/var/lib/peng");
    }
    let data = set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local/share")));
    data.unwrap_or_else(env::temp_dir).join("peng")
}
