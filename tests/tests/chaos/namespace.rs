//! A network namespace with a cable to this machine that can be cut.

use std::process::{self, Command};

/// A namespace with one end of a cable, whose other end is here; gone with this value.
pub struct Namespace {
    name: String,
    /// Here.
    link: String,
    subnet: String,
}

impl Namespace {
    /// `None`, said with its reason, where this user may not make one; CI always may.
    pub fn make() -> Option<Self> {
        let number = process::id();
        let made = Self {
            name: format!("peng-{number}"),
            link: format!("peng{number}"),
            // A network for tests of networks (RFC 2544).
            subnet: format!("198.18.{}", number % 256),
        };
        if ip(&["netns", "add", &made.name]) {
            made.connect();
            return Some(made);
        }
        let why =
            "making a network namespace needs root and iproute2 (ops/setup.sh --with-test-tools installs it)";
        assert!(std::env::var_os("CI").is_none() || !local_postgres::is_root(), "{why}");
        eprintln!("skipped: {why}");
        None
    }

    fn connect(&self) {
        let Self { name, link, .. } = self;
        let (here, there) = (format!("{}/30", self.here()), format!("{}.2/30", self.subnet));
        for arguments in [
            &["link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name][..],
            &["addr", "add", &here, "dev", link],
            &["link", "set", link, "up"],
            &["-n", name, "addr", "add", &there, "dev", "eth0"],
            &["-n", name, "link", "set", "eth0", "up"],
        ] {
            assert!(ip(arguments), "ip {arguments:?}");
        }
    }

    /// The address of this machine on the cable.
    pub fn here(&self) -> String {
        format!("{}.1", self.subnet)
    }

    /// The network of the cable.
    pub fn network(&self) -> String {
        format!("{}.0/30", self.subnet)
    }

    /// The words before a command that runs in it.
    pub fn words(&self) -> [&str; 4] {
        ["ip", "netns", "exec", &self.name]
    }

    /// Cuts the cable: what is sent arrives nowhere, and nobody is told.
    pub fn cut(&self) {
        assert!(ip(&["link", "set", &self.link, "down"]));
    }

    /// Mends the cable.
    pub fn mend(&self) {
        assert!(ip(&["link", "set", &self.link, "up"]));
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // With it goes the cable, both ends of it.
        ip(&["netns", "delete", &self.name]);
        ip(&["link", "delete", &self.link]);
    }
}

fn ip(arguments: &[&str]) -> bool {
    Command::new("ip").args(arguments).output().is_ok_and(|output| output.status.success())
}
