//! What breaks around a worker: the database, its schema, the checkpoint store.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::Command,
};

use diesel::connection::SimpleConnection as _;
use tests::{Lab, Postgres, disk::Disk};

const REPLAY: &str = "peng-replay-worker";

fn spec(jobs: u32) -> String {
    format!(
        "name = \"s\"\n[data]\nset = \"digits\"\n[space]\nkind = \"random-cnn\"\n[strategy]\nkind = \"random\"\n\
         [budget]\njobs = {jobs}\nmax_epochs = 12\n[predictor]\nengine = \"none\"\n"
    )
}

#[test]
fn a_worker_waits_for_a_database_that_is_not_there_yet() {
    let postgres = Postgres::stopped();
    let lab = Lab::on(postgres.url());
    let mut worker = lab.worker(REPLAY, &["--once"]);
    let complaint = "cannot reach the database";
    tests::wait("the worker to say what it waits for", || {
        if worker.log().contains(complaint) { Ok(()) } else { Err(worker.log()) }
    });
    postgres.restart();
    // The server comes before the schema: it is no longer a question of waiting.
    assert_eq!(worker.join(), Some(1));
    assert_eq!(worker.log().matches(complaint).count(), 1, "a sentence a minute: {}", worker.log());
    assert!(worker.log().contains("run `peng db migrate`"), "{}", worker.log());

    assert!(lab.peng(&["db", "migrate"]).status.success());
    lab.submit(&spec(1));
    let mut worker = lab.worker(REPLAY, &["--once"]);
    assert_eq!(worker.join(), Some(0), "{}", worker.log());
    assert_eq!(lab.count("result WHERE outcome = 'completed'"), 1);
}

#[test]
fn a_wrong_password_ends_the_worker_at_once_and_is_not_repeated() {
    let postgres = Postgres::start();
    let open = Lab::on(postgres.url());
    let rules = postgres.server().home().join("postgres/pg_hba.conf");
    let hba = fs::read_to_string(&rules).unwrap();
    fs::write(&rules, format!("local all locked scram-sha-256\n{hba}")).unwrap();
    open.connect()
        .batch_execute("CREATE ROLE locked LOGIN PASSWORD 'right'; SELECT pg_reload_conf()")
        .unwrap();
    let lab = Lab::on(postgres.url().replace("user=peng", "user=locked&password=wr0ng"));
    tests::wait("the server to ask for a password", || {
        let mut worker = lab.worker(REPLAY, &["--once"]);
        assert_eq!(worker.join(), Some(1), "{}", worker.log());
        let log = worker.log();
        assert!(!log.contains("wr0ng"), "{log}");
        if log.contains("password authentication failed") { Ok(()) } else { Err(log) }
    });
    let mut worker = lab.worker(REPLAY, &["--once"]);
    assert_eq!(worker.join(), Some(1));
    let log = worker.log();
    assert_eq!(log.lines().count(), 1, "one error, and nothing is tried again: {log}");
    assert!(log.contains("the database refuses the connection"), "{log}");
}

#[test]
fn a_schema_of_another_version_ends_the_worker_at_once() {
    for (change, expected) in [
        (
            "INSERT INTO __diesel_schema_migrations (version) VALUES ('99999999999999'); \
             UPDATE compatibility SET oldest_schema = '99999999999999'",
            "use a newer peng",
        ),
        (
            "DELETE FROM __diesel_schema_migrations WHERE version = \
             (SELECT max(version) FROM __diesel_schema_migrations)",
            "run `peng db migrate`",
        ),
    ] {
        let lab = Lab::new();
        lab.connect().batch_execute(change).unwrap();
        let mut worker = lab.worker(REPLAY, &["--once"]);
        assert_eq!(worker.join(), Some(1));
        let log = worker.log();
        assert!(log.lines().count() == 1 && log.contains(expected), "{log}");
        assert_eq!(lab.count("worker"), 0, "it does not register");
    }
}

#[test]
fn a_running_worker_goes_on_with_a_schema_to_come_until_that_ends_its_support() {
    let lab = Lab::new();
    lab.submit(&spec(2));
    let mut worker = lab.worker(REPLAY, &["--epoch-seconds", "0.05"]);
    lab.wait_for("observation", 1);
    let mut conn = lab.connect();
    conn.batch_execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('99999999999999')").unwrap();
    lab.wait_for("result", 2);
    let mut later = lab.worker(REPLAY, &["--once"]);
    assert_eq!(later.join(), Some(0), "one that starts now works, too: {}", later.log());
    lab.submit(&spec(1).replacen("name = \"s\"", "name = \"t\"", 1));
    conn.batch_execute("UPDATE compatibility SET oldest_schema = '99999999999999'").unwrap();
    assert_eq!(worker.join(), Some(76), "a supervisor starts the new binary: {}", worker.log());
    assert_eq!(worker.said("no longer takes this version of peng"), 1, "{}", worker.log());
    lab.assert_unharmed();
}

#[test]
fn a_damaged_or_missing_checkpoint_gives_way_to_the_one_before() {
    for (damage, expected) in [("truncate", "is damaged"), ("remove", "cannot read checkpoint")] {
        let lab = Lab::new();
        lab.submit(&spec(1));
        let mut first = lab.worker(REPLAY, &["--epoch-seconds", "0.1"]);
        lab.wait_for("observation", 3);
        first.kill();
        let mut files: Vec<PathBuf> = checkpoints(&lab.dir.path().join("checkpoints"));
        files.sort();
        let steps = lab.count("observation") as usize;
        let newest = files.iter().rfind(|file| name(file).starts_with(&format!("{steps:06}-"))).unwrap();
        match damage {
            "truncate" => {
                let half = fs::metadata(newest).unwrap().len() / 2;
                fs::OpenOptions::new().write(true).open(newest).unwrap().set_len(half).unwrap();
            }
            _ => fs::remove_file(newest).unwrap(),
        }
        let mut second = lab.worker(REPLAY, &["--once"]);
        assert_eq!(second.join(), Some(0), "{}", second.log());
        let log = second.log();
        assert!(log.contains(expected) && log.contains("falling back to the one before"), "{log}");
        assert_eq!(lab.count(&format!("attempt WHERE first_step = {steps}")), 1, "{damage}: {log}");
        assert_eq!(lab.count("observation"), 12);
        assert_eq!(lab.count("result WHERE outcome = 'completed'"), 1);
    }
}

fn name(file: &Path) -> String {
    file.file_name().unwrap().to_string_lossy().into_owned()
}

fn checkpoints(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { checkpoints(&path) } else { vec![path] }).collect()
}

#[test]
fn a_full_disk_is_waited_for_and_costs_no_crash() {
    let Some(disk) = Disk::mount() else { return };
    let lab = Lab::new();
    lab.submit(&spec(2));
    let mut command = lab.command(REPLAY);
    command.args(["--once", "--epoch-seconds", "0.1"]).env("PENG_CHECKPOINTS", disk.url());
    let mut worker = lab.spawn(command);
    lab.wait_for("observation", 2);
    let ballast = disk.fill();
    tests::wait("the worker to say that the disk is full", || {
        if worker.log().contains("No space left on device") { Ok(()) } else { Err(worker.log()) }
    });
    let before = lab.count("observation");
    fs::remove_file(ballast).unwrap();
    lab.wait_for("observation", before + 1);
    assert_eq!(worker.join(), Some(0), "{}", worker.log());
    let log = worker.log();
    assert_eq!(log.matches("the training waits, trying again").count(), 1, "a sentence a minute: {log}");
    assert_eq!(lab.count("result WHERE outcome = 'completed'"), 2);
    assert_eq!(
        (lab.count("attempt"), lab.count("job WHERE crashes > 0")),
        (2, 0),
        "nothing was trained twice"
    );
}

#[test]
fn a_store_that_cannot_be_written_is_refused_before_a_job_is_claimed() {
    let Some(disk) = Disk::mount() else { return };
    disk.remount("ro");
    let lab = Lab::new();
    lab.submit(&spec(1));
    let mut command = lab.command(REPLAY);
    command.arg("--once").env("PENG_CHECKPOINTS", disk.url());
    let mut worker = lab.spawn(command);
    assert_eq!(worker.join(), Some(1));
    let log = worker.log();
    assert!(log.contains("the checkpoint store cannot be written") && log.contains("Read-only"), "{log}");
    assert_eq!((lab.count("attempt"), lab.count("job WHERE state = 'ready'")), (0, 1));
}

#[test]
fn a_directory_that_an_ordinary_user_may_not_write_is_refused() {
    let postgres = Postgres::start();
    let lab = Lab::on(postgres.url());
    // Its socket is for everybody.
    let home = postgres.server().home();
    for path in [home, &home.join("run"), &home.join("run/.s.PGSQL.5432")] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    }
    assert!(lab.peng(&["db", "migrate"]).status.success());
    lab.submit(&spec(1));
    // Where anybody may look: the binary and a directory that nobody may write.
    let open = tempfile::tempdir().unwrap();
    let (binary, store) = (open.path().join(REPLAY), open.path().join("checkpoints"));
    fs::copy(Lab::binary(REPLAY), &binary).unwrap();
    fs::create_dir(&store).unwrap();
    for (path, mode) in [(open.path(), 0o755), (&binary, 0o755), (&store, 0o555)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let mut command = Command::new(&binary);
    for (name, value) in lab.command(REPLAY).get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command.arg("--once").current_dir("/").env("PENG_CHECKPOINTS", format!("file://{}", store.display()));
    if rustix::process::getuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let mut worker = lab.spawn(command);
    assert_eq!(worker.join(), Some(1), "{}", worker.log());
    let log = worker.log();
    assert!(
        log.contains("the checkpoint store cannot be written") && log.contains("Permission denied"),
        "{log}"
    );
    assert_eq!((lab.count("attempt"), lab.count("job WHERE state = 'ready'")), (0, 1));
}

/// A user that owns nothing.
const NOBODY: u32 = 65534;
