//! The database and the checkpoint store do not hold up a training: the next interval trains while the last one is made
//! durable and recorded.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
};

use diesel::connection::{AnsiTransactionManager, SimpleConnection as _, TransactionManager as _};
use tests::{
    Lab, Postgres, Worker,
    s3::{BUCKET, Server},
    wait,
};

const SPEC: &str = "name = \"s\"\n[data]\nset = \"digits\"\n[space]\nkind = \"random-cnn\"\n[strategy]\nkind = \"random\"\n\
                    [budget]\njobs = 1\nmax_epochs = 40\n[predictor]\nengine = \"none\"\n";

/// A replay worker whose saved intervals can be seen before they are recorded.
fn worker(lab: &Lab, server: &Server) -> Worker {
    let scratch = lab.dir.path().join("scratch");
    fs::create_dir(&scratch).unwrap();
    let mut command = lab.command("peng-replay-worker");
    server.configure(&mut command, BUCKET).args(["--once", "--epoch-seconds", "0.1", "--lease-ttl", "60"]);
    lab.spawn({
        command.arg("--scratch").arg(scratch);
        command
    })
}

/// Waits until an interval has been trained and saved.
fn wait_for_saved(lab: &Lab, step: i64) {
    let saved = format!("1-1-{step}");
    wait(&format!("interval {step} to be trained"), || {
        let found = names(&lab.dir.path().join("scratch"));
        if found.contains(&saved) { Ok(()) } else { Err(format!("{found:?}")) }
    });
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    entries.flat_map(|path| if path.is_dir() { names(&path) } else { vec![name(&path)] }).collect()
}

#[test]
fn a_training_goes_on_while_the_database_does_not_take_its_last_interval() {
    let (lab, server) = (Lab::new(), Server::start());
    lab.submit(SPEC);
    let mut worker = worker(&lab, &server);
    lab.wait_for("observation", 2);
    let mut holding = lab.connect();
    AnsiTransactionManager::begin_transaction(&mut holding).unwrap();
    holding.batch_execute("SELECT FROM job FOR UPDATE").unwrap();
    let recorded = lab.count("observation");
    // The interval after the last one recorded waits for the row; the one after that is trained all the same.
    wait_for_saved(&lab, recorded + 2);
    assert_eq!(lab.count("observation"), recorded, "nothing was recorded meanwhile");
    AnsiTransactionManager::commit_transaction(&mut holding).unwrap();
    assert_eq!(worker.join(), Some(0), "{}", worker.log());
    assert_eq!((lab.count("observation"), lab.count("attempt")), (40, 1));
}

#[test]
fn a_training_goes_on_while_the_store_does_not_take_its_last_interval() {
    let (lab, mut server) = (Lab::new(), Server::start());
    lab.submit(SPEC);
    let mut worker = worker(&lab, &server);
    lab.wait_for("observation", 2);
    server.stall();
    // What was under way is recorded or hangs; then nothing is recorded any more, and two more intervals are trained.
    let last = || lab.count("observation");
    wait("two intervals to be trained beyond what is recorded", || {
        let (recorded, found) = (last(), names(&lab.dir.path().join("scratch")));
        if found.contains(&format!("1-1-{}", recorded + 2)) {
            Ok(())
        } else {
            Err(format!("{recorded}: {found:?}"))
        }
    });
    server.stop();
    server.restart();
    assert_eq!(worker.join(), Some(0), "{}", worker.log());
    assert_eq!((lab.count("observation"), lab.count("attempt")), (40, 1));
}

/// Prints the share of its time that a training with libtorch stands still; see docs/queue.md.
#[test]
#[ignore = "a measurement of a minute"]
fn share_of_an_interval() {
    let (postgres, server) = (Postgres::start(), Server::start());
    let lab = Lab::on(postgres.url());
    assert!(lab.peng(&["db", "migrate"]).status.success());
    for (store, epochs) in [("file", 60), ("s3", 60)] {
        // Several epochs an interval: the digits are few.
        lab.submit(&format!(
            "name = \"{store}\"\n[data]\nset = \"digits\"\n[space]\nkind = \"random-cnn\"\n[strategy]\nkind = \"random\"\n\
             seed = 5\n[budget]\njobs = 1\nmax_epochs = {}\ninterval = {epochs}\n[predictor]\nengine = \"penguin-v4\"\n\
             mode = \"observe\"\n",
            epochs * 20
        ));
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let mut command = lab.command("peng-worker");
        if store == "s3" {
            server.configure(&mut command, BUCKET);
        }
        command.args(["--device", "cpu", "--threads", "1", "--metrics", &address]);
        let worker = lab.spawn(command);
        let ended = format!("result JOIN search ON search.id = search_id WHERE name = '{store}'");
        wait_long(&worker, || lab.count(&ended) == 1);
        let page = metrics(&address);
        let (trained, still) = (sum(&page, "peng_interval_seconds"), sum(&page, "peng_standstill_seconds"));
        eprintln!(
            "{store}: {:.2} s an interval, {:.1} ms of standstill each, {:.3} % of the time, record {:.1} ms",
            trained.0 / trained.1,
            1e3 * still.0 / still.1,
            100.0 * still.0 / (trained.0 + still.0),
            1e3 * sum(&page, "peng_record_seconds").0 / trained.1,
        );
    }
}

fn wait_long(worker: &Worker, done: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !done() {
        assert!(start.elapsed().as_secs() < 600, "{}", worker.log());
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

fn metrics(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    page
}

/// Sum and count of a histogram.
fn sum(page: &str, name: &str) -> (f64, f64) {
    let value = |what| {
        let series = format!("{name}_{what} ");
        page.lines().find_map(|line| line.strip_prefix(&series)).unwrap().parse::<f64>().unwrap()
    };
    (value("sum"), value("count"))
}
