//! Workers and commands behind PgBouncer in transaction mode, where each transaction may get another session.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::Path,
    process::{Child, Command, Stdio},
};

use store::{Database, ListenError, Listener, search as searches};
use tests::{Lab, wait};

const SPEC: &str = "name = \"s\"\n[data]\nset = \"digits\"\n[space]\nkind = \"random-cnn\"\n[strategy]\nkind = \"evolution\"\n\
    population = 4\nsample = 2\n[budget]\njobs = 12\nmax_epochs = 6\n[predictor]\nengine = \"penguin-v4\"\n";

/// A PgBouncer in front of the laboratory's server, with two sessions for all; ended with this value.
struct Pooler {
    child: Child,
    url: String,
    _home: tempfile::TempDir,
}

impl Pooler {
    /// None where it is not installed.
    fn start(lab: &Lab) -> Option<Self> {
        let program =
            ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"].into_iter().find(|p| Path::new(p).exists())?;
        let target = lab.url();
        let socket = target.split_once("host=").unwrap().1.split('&').next().unwrap();
        let database = target.split_once(":///").unwrap().1.split('?').next().unwrap();
        // Like Postgres, PgBouncer does not run as root: it needs a directory that its user can enter.
        let home = tempfile::tempdir().unwrap();
        let dir = home.path();
        fs::set_permissions(dir, fs::Permissions::from_mode(0o777)).unwrap();
        let conf = dir.join("pgbouncer.ini");
        fs::write(
            &conf,
            format!(
                "[databases]\n{database} = host={socket} user=peng\n[pgbouncer]\nlisten_addr =\nunix_socket_dir = {}\n\
                 listen_port = 6432\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 2\n",
                dir.display()
            ),
        )
        .unwrap();
        let mut command = Command::new(program);
        if local_postgres::is_root() {
            use std::os::unix::fs::MetadataExt as _;
            let owner = fs::metadata(socket).unwrap();
            command.uid(owner.uid()).gid(owner.gid());
        }
        let log = fs::File::create(dir.join("pgbouncer.log")).unwrap();
        let child =
            command.arg(&conf).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let url = format!("postgresql:///{database}?host={}&port=6432&user=peng", dir.display());
        wait("PgBouncer to answer", || {
            let log = fs::read_to_string(dir.join("pgbouncer.log")).unwrap_or_default();
            Database::new(&url).unwrap().connect().map(drop).map_err(|error| format!("{error}\n{log}"))
        });
        Some(Self { child, url, _home: home })
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // It may have left already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn workers_drain_a_search_through_a_pooler() {
    let lab = Lab::new();
    let Some(pooler) = Pooler::start(&lab) else {
        assert!(std::env::var_os("CI").is_none(), "PgBouncer is not installed: ops/setup.sh --yes");
        println!("skipped: PgBouncer is not installed (ops/setup.sh installs it)");
        return;
    };
    let listening = Listener::connect(&Database::new(&pooler.url).unwrap(), "default");
    assert!(matches!(listening, Err(ListenError::Pooled)), "it would never hear of anything");
    assert!(
        Listener::connect(&Database::new(lab.url()).unwrap(), "default").is_ok(),
        "without it all is well"
    );

    let file = lab.file("spec.toml", SPEC);
    let submitted = lab
        .command("peng")
        .env("DATABASE_URL", &pooler.url)
        .args(["search", "submit", file.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(submitted.status.success(), "{}", tests::stderr(&submitted));
    let mut workers: Vec<_> = (0..2)
        .map(|_| lab.worker_at(&pooler.url, "peng-replay-worker", &["--once", "--slots", "2"]))
        .collect();
    for worker in &mut workers {
        assert_eq!(worker.join(), Some(0), "{}", worker.log());
        assert!(worker.log().contains("connection pooler"), "it says that it polls:\n{}", worker.log());
        assert!(!worker.log().contains("prepared statement"), "{}", worker.log());
    }
    assert_eq!(lab.count("result"), 12);
    assert_eq!(lab.count("attempt WHERE \"end\" <> 'finished'"), 0, "nothing was lost on the way");
    let found = searches::find(&mut Database::new(&pooler.url).unwrap().connect().unwrap(), "s").unwrap();
    assert!(found.is_some(), "commands read through it too");
}
