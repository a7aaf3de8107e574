//! What Prometheus reads from a worker.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
};

use rustix::process::Signal;
use tests::{Lab, wait};

fn get(address: &str, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn value(answer: &str, series: &str) -> f64 {
    let line = answer.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in {answer}")).parse().unwrap()
}

#[test]
fn a_worker_tells_prometheus_what_the_database_says() {
    let lab = Lab::new();
    lab.submit(
        "name = \"s\"\n[data]\nset = \"digits\"\n[space]\nkind = \"random-cnn\"\n[strategy]\nkind = \"random\"\n\
         [budget]\njobs = 8\nmax_epochs = 12\n[predictor]\nengine = \"penguin-v4\"\n",
    );
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut worker = lab.worker("peng-replay-worker", &["--metrics", &address]);
    lab.wait_for("result", 8);
    let mut answer = String::new();
    wait("the worker to have counted its last job", || {
        answer = get(&address, "/metrics").map_err(|error| error.to_string())?;
        let all = answer.lines().filter(|line| line.starts_with("peng_jobs_total{"));
        let ended: f64 = all.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum();
        if ended >= 8.0 { Ok(()) } else { Err(answer.clone()) }
    });
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("text/plain; version=0.0.4"), "{answer}");
    let stored = lab.count("observation") as f64;
    for (series, expected) in [
        ("peng_observations_total", stored),
        ("peng_epochs_trained_total", stored),
        ("peng_epochs_saved_total", 8.0 * 12.0 - stored),
        ("peng_interval_seconds_count", stored),
        ("peng_record_seconds_count", stored),
        ("peng_renewals_failed_total", 0.0),
        ("peng_lease_age_seconds", 0.0),
    ] {
        assert_eq!(value(&answer, series), expected, "{series}: {answer}");
    }
    assert!(value(&answer, "peng_claim_seconds_count") >= 8.0);
    assert!(get(&address, "/").unwrap().starts_with("HTTP/1.1 404"));

    let mut second = lab.worker("peng-replay-worker", &["--metrics", &address]);
    assert_eq!(second.join(), Some(1), "{}", second.log());
    assert!(second.log().contains(&format!("cannot serve metrics on {address}")), "{}", second.log());
    worker.signal(Signal::TERM);
    assert_eq!(worker.join(), Some(0), "{}", worker.log());
}
