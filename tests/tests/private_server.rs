//! The private server of `peng db up`: under any path, killed at any time, for any user, and never with an open port.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::{
    ffi::{OsStr, OsString},
    fs::{self, Permissions},
    os::unix::{
        ffi::OsStringExt as _,
        fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use diesel::{Connection as _, PgConnection, QueryableByName, RunQueryDsl as _, sql_query, sql_types};
use local_postgres::{Server, Status};
use rustix::process::{Pid, Signal, kill_process};
use tests::{Lab, disk::Disk, stderr, wait};

/// A directory for a home, in which no server is left running.
struct Place {
    dir: tempfile::TempDir,
    home: PathBuf,
    /// Another user than root, who gives the commands.
    user: Option<&'static str>,
}

impl Place {
    fn named(name: impl AsRef<OsStr>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // The user that runs the server has to pass.
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        let home = dir.path().join(name.as_ref());
        Self { dir, home, user: None }
    }

    /// One for an ordinary user: `postgres` where the tests run as root, else theirs.
    fn of_a_user() -> Self {
        let mut place = Self::named("home");
        if local_postgres::is_root() {
            place.user = Some("postgres");
            let (uid, gid) = user("postgres");
            chown(place.dir.path(), Some(uid), Some(gid)).unwrap();
        }
        place
    }

    /// Both: where the tests run as root, one of root's, whose server another user runs, and one of that user's own.
    fn of_each_user() -> Vec<Self> {
        if local_postgres::is_root() {
            vec![Self::named("home"), Self::of_a_user()]
        } else {
            vec![Self::of_a_user()]
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = match self.user {
            None => Command::new(Lab::binary("peng")),
            Some(user) => {
                let mut command = Command::new("setpriv");
                let (uid, gid) = (format!("--reuid={user}"), format!("--regid={user}"));
                command.args([&uid, &gid, "--clear-groups"]).arg(Lab::binary("peng"));
                command
            }
        };
        command.args(arguments).env("PENG_HOME", &self.home).env_remove("DATABASE_URL").current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn peng(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What a command that succeeds prints.
    fn text(&self, arguments: &[&str]) -> String {
        let output = self.peng(arguments);
        assert!(output.status.success(), "{}: {arguments:?}: {}", self.home.display(), stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a command that fails says.
    fn error(&self, arguments: &[&str]) -> String {
        let output = self.peng(arguments);
        assert_eq!(
            output.status.code(),
            Some(1),
            "{arguments:?} {}",
            String::from_utf8_lossy(&output.stdout)
        );
        stderr(&output)
    }

    fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    fn server(&self) -> Server {
        Server::at(&self.home)
    }

    fn data(&self) -> PathBuf {
        self.home.join("postgres")
    }

    /// Data directories in the making.
    fn unfinished(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.home).into_iter().flatten().flatten().map(|entry| entry.path());
        entries.filter(|path| path.to_string_lossy().contains("postgres.new-")).collect()
    }

    fn assert_works(&self) {
        assert!(self.text(&["db", "up"]).contains("private Postgres started in"));
        assert!(self.text(&["db", "up"]).contains("runs already"));
        assert!(self.text(&["db", "status"]).contains("fits this version"), "by the same path");
        PgConnection::establish(&self.server().url()).unwrap();
        assert_eq!(self.text(&["db", "down"]), "private Postgres stopped\n");
        assert_eq!(self.server().status().unwrap(), Status::Down);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What counts has been asserted.
        let _ = self.command(&["db", "down"]).output();
    }
}

/// Number and group of a user.
fn user(name: &str) -> (u32, u32) {
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let line = passwd.lines().find(|line| line.split(':').next() == Some(name)).unwrap();
    let number = |n: usize| line.split(':').nth(n).unwrap().parse().unwrap();
    (number(2), number(3))
}

#[test]
fn a_home_may_have_any_name_and_move() {
    let mut place = Place::named("a b&c=%20d'e\"f\\g#?ü$(exit 1)`exit 1`;h~*");
    place.assert_works();
    let long = format!("long {}", "x".repeat(120));
    for name in ["plain", "it's", "comma,comma", "-dash", " space ", "日本", long.as_str()] {
        let home = place.dir.path().join(name);
        fs::rename(&place.home, &home).unwrap();
        place.home = home;
        place.assert_works();
    }
}

#[test]
fn a_home_that_no_server_can_have_is_refused_before_anything_starts() {
    for (name, said) in [
        (OsString::from("two\nlines"), "control character"),
        (OsString::from_vec(b"not utf-8 \xff".to_vec()), "not UTF-8"),
        (["x"; 5].map(|x| x.repeat(200)).join("/").into(), "longer than 900 bytes"),
    ] {
        let place = Place::named(&name);
        let error = place.error(&["db", "up"]);
        assert!(error.contains(said) && error.contains("set PENG_HOME"), "{error}");
        assert!(!place.home.exists(), "{name:?}");
    }
}

#[test]
fn an_up_that_is_killed_leaves_nothing_half_made() {
    for place in Place::of_each_user() {
        for file in ["", "PG_VERSION", "global/pg_control", "pg_hba.conf"] {
            let mut up = place.start(&["db", "up"]);
            wait("initdb to write", || {
                let made = place.unfinished().iter().any(|new| new.join(file).exists());
                if made { Ok(()) } else { Err(format!("no {file}")) }
            });
            // The processes of initdb live on for a moment, as after a kill by hand.
            up.kill().unwrap();
            up.wait().unwrap();
            assert!(!place.data().exists(), "killed at {file:?}");
            assert_eq!(place.server().status().unwrap(), Status::Absent);
        }
        place.assert_works();
        wait("the left-overs to go", || {
            place.text(&["db", "up"]);
            place.text(&["db", "down"]);
            match place.unfinished().as_slice() {
                [] => Ok(()),
                left => Err(format!("{left:?}")),
            }
        });
    }
}

#[test]
fn a_directory_that_is_not_whole_is_named_and_left_alone() {
    let place = Place::named("home");
    place.assert_works();
    fs::remove_file(place.data().join("global/pg_control")).unwrap();
    let error = place.error(&["db", "up"]);
    assert!(error.contains("no whole data directory") && error.contains("move it away"), "{error}");
    assert!(place.data().join("PG_VERSION").exists());
}

#[derive(QueryableByName)]
struct Setting {
    #[diesel(sql_type = sql_types::Text)]
    value: String,
}

fn setting(server: &Server, name: &str) -> String {
    let mut conn = PgConnection::establish(&server.url()).unwrap();
    let sql = format!("SELECT current_setting('{name}') AS value");
    sql_query(sql).get_result::<Setting>(&mut conn).unwrap().value
}

#[test]
fn no_configuration_file_opens_a_port() {
    let place = Place::named("home");
    place.assert_works();
    let data = place.data();
    let rules = fs::read_to_string(data.join("pg_hba.conf")).unwrap();
    assert!(!rules.contains("host"), "nobody comes in by a port, should there ever be one: {rules}");
    fs::write(data.join("included.conf"), "listen_addresses = '127.0.0.88'\nport = 5999\n").unwrap();
    fs::set_permissions(data.join("included.conf"), Permissions::from_mode(0o644)).unwrap();
    let conf = fs::read_to_string(data.join("postgresql.conf")).unwrap();
    let conf = format!("{conf}unix_socket_directories = '/nowhere'\ninclude 'included.conf'\n");
    fs::write(data.join("postgresql.conf"), conf).unwrap();
    fs::write(data.join("postgresql.auto.conf"), "listen_addresses = '127.0.0.89'\n").unwrap();
    place.text(&["db", "up"]);
    for (name, value) in [("listen_addresses", ""), ("port", "5432")] {
        assert_eq!(setting(&place.server(), name), value);
    }
    let opts = fs::read_to_string(data.join("postmaster.opts")).unwrap();
    assert!(opts.contains("listen_addresses="), "a restart by hand opens none either: {opts}");
    place.text(&["db", "down"]);
}

#[test]
fn a_server_that_somebody_started_with_a_port_is_named() {
    let place = Place::named("home");
    // An address of this test's own.
    place.server().listening_on("127.0.0.87").up().unwrap();
    let error = place.error(&["db", "up"]);
    assert!(error.contains("listens on 127.0.0.87") && error.contains("`peng db down` stops it"), "{error}");
    place.text(&["db", "down"]);
    place.assert_works();
}

#[test]
fn of_many_that_start_it_at_once_one_does_and_the_others_wait() {
    let place = Place::named("home");
    for round in 0..2 {
        let all: Vec<_> = (0..4).map(|_| place.start(&["db", "up"])).collect();
        let outputs: Vec<_> = all.into_iter().map(|up| up.wait_with_output().unwrap()).collect();
        for output in &outputs {
            assert!(output.status.success(), "{}", stderr(output));
        }
        let said = |text: &str| {
            outputs.iter().filter(|output| String::from_utf8_lossy(&output.stdout).contains(text)).count()
        };
        assert_eq!((said("started in"), said("runs already")), (1, 3), "round {round}");
        place.text(&["db", "down"]);
    }
}

#[test]
fn a_down_while_it_starts_waits_and_stops_it() {
    let place = Place::named("home");
    let up = place.start(&["db", "up"]);
    wait("the lock", || if place.unfinished().is_empty() { Err("none".to_owned()) } else { Ok(()) });
    assert_eq!(place.text(&["db", "down"]), "private Postgres stopped\n");
    // It may have come to its migrations before.
    let _ = up.wait_with_output().unwrap();
    assert_eq!(place.server().status().unwrap(), Status::Down);
    place.assert_works();
}

#[test]
fn the_socket_is_found_whatever_the_temporary_directory_and_the_spelling() {
    let place = Place::named("x".repeat(120));
    let link = place.dir.path().join("link");
    symlink(&place.home, &link).unwrap();
    let run = |home: &Path, temporary: &str, arguments: &[&str]| {
        let output =
            place.command(arguments).env("PENG_HOME", home).env("TMPDIR", temporary).output().unwrap();
        assert!(output.status.success(), "{}, {temporary}: {}", home.display(), stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    run(&place.home, "/missing", &["db", "up"]);
    let spelt = place.home.join("../").join(place.home.file_name().unwrap());
    for home in [&place.home, &link, &spelt] {
        for temporary in ["/tmp", "/var/tmp", "/missing"] {
            assert!(run(home, temporary, &["db", "up"]).contains("runs already"));
            run(home, temporary, &["job", "list"]);
        }
    }
    let socket = place.server().socket_dir();
    assert!(socket.starts_with("/tmp"), "{}", socket.display());
    place.text(&["db", "down"]);
    if local_postgres::is_root() {
        let nobody = user("nobody");
        chown(&socket, Some(nobody.0), Some(nobody.1)).unwrap();
        let error = place.error(&["db", "up"]);
        assert!(error.contains("belongs to user 65534"), "somebody made it before us: {error}");
        fs::remove_dir_all(&socket).unwrap();
        symlink("/etc", &socket).unwrap();
        let error = place.error(&["db", "up"]);
        assert!(error.contains("is no directory of user"), "a link: {error}");
        assert_eq!(fs::metadata("/etc").unwrap().uid(), 0, "nothing was given away");
        fs::remove_file(&socket).unwrap();
        place.assert_works();
    }
    let _ = fs::remove_dir_all(socket);
}

/// After a crash of the machine the numbers of processes belong to others, some of the same user, some servers of Postgres.
#[test]
fn a_crash_of_the_machine_leaves_lock_files_that_do_no_harm() {
    for place in Place::of_each_user() {
        place.text(&["db", "up"]);
        let Ok(Status::Up(pid)) = place.server().status() else { panic!("it runs") };
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        let pid_file = fs::read_to_string(place.data().join("postmaster.pid")).unwrap();
        for pid in children.split_whitespace().map(|pid| pid.parse().unwrap()).chain([pid]) {
            let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
        }
        wait("its end", || match place.server().status().unwrap() {
            Status::Up(pid) => Err(format!("{pid}")),
            _ => Ok(()),
        });
        let mut sleep = Command::new(if place.user.is_some() { "setpriv" } else { "sleep" });
        if place.user.is_some() {
            sleep.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "sleep"]);
        }
        let mut sleep = sleep.arg("600").spawn().unwrap();
        // Of the same user: Postgres itself would take it for the server.
        let number = sleep.id().to_string();
        let lock = place.server().socket_dir().join(".s.PGSQL.5432.lock");
        fs::write(place.data().join("postmaster.pid"), pid_file.replacen(&pid.to_string(), &number, 1))
            .unwrap();
        fs::write(lock, format!("{number}\n")).unwrap();
        assert_eq!(place.server().status().unwrap(), Status::Down);
        place.assert_works();
        sleep.kill().unwrap();
        sleep.wait().unwrap();
    }
}

#[test]
fn who_may_not_write_there_is_told_what_to_do() {
    let place = Place::of_a_user();
    fs::set_permissions(place.dir.path(), Permissions::from_mode(0o555)).unwrap();
    let error = place.error(&["db", "up"]);
    assert!(error.contains("Permission denied") && error.contains("PENG_HOME names another"), "{error}");
    fs::set_permissions(place.dir.path(), Permissions::from_mode(0o755)).unwrap();
    place.assert_works();
    if !local_postgres::is_root() {
        return;
    }
    let strangers = Place::named("home");
    fs::create_dir(&strangers.home).unwrap();
    chown(&strangers.home, Some(user("nobody").0), None).unwrap();
    let error = strangers.error(&["db", "up"]);
    assert!(error.contains("belongs to user 65534") && error.contains("chown"), "{error}");
    assert_eq!(fs::metadata(&strangers.home).unwrap().uid(), user("nobody").0, "it stays whose it is");

    let closed = Place::named("closed/home");
    fs::create_dir(closed.dir.path().join("closed")).unwrap();
    fs::set_permissions(closed.dir.path().join("closed"), Permissions::from_mode(0o700)).unwrap();
    let error = closed.error(&["db", "up"]);
    assert!(error.contains("user postgres") && error.contains("may not enter"), "{error}");
}

#[test]
fn a_directory_of_roots_that_others_use_stays_roots() {
    if !local_postgres::is_root() {
        return;
    }
    let place = Place::named("");
    place.assert_works();
    assert_eq!(fs::metadata(place.dir.path()).unwrap().uid(), 0);
    assert_ne!(fs::metadata(place.data()).unwrap().uid(), 0);
}

#[test]
fn a_disk_that_is_read_only_is_named() {
    let Some(disk) = Disk::mount() else { return };
    disk.remount("ro");
    let mut place = Place::named("home");
    place.home = disk.path().join("home");
    let error = place.error(&["db", "up"]);
    assert!(error.contains("Read-only file system") && error.contains("PENG_HOME"), "{error}");
    place.home = disk.path().to_owned();
    assert!(place.error(&["db", "up"]).contains("Read-only file system"));
}
