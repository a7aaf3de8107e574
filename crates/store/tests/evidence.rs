//! What fails a job: crashes and losses without progress, as seen by two hosts where there are two; nothing that its host or the
//! checkpoint store did.

#![expect(clippy::unwrap_used, reason = "a test")]

mod support;

use std::{collections::HashMap, time::Duration};

use diesel::{PgConnection, QueryDsl as _, RunQueryDsl as _, connection::SimpleConnection as _};
use domain::{JobId, Ordinal};
use store::{
    curve::{self, Decision, Observation},
    finish::Cursor,
    freeze::{self, ThawClaim},
    job::{self, JobState},
    lease::{self, GiveBack},
    maintenance, schema, search,
};
use support::{TTL, claim_by, clear, expire, point, rows, state, submit, worker_on};
use testing::TestDatabase;
use uuid::Uuid;

/// What happens to a job on a host.
#[derive(Clone, Copy)]
enum Happens {
    Crash(&'static str),
    Loss(&'static str),
    HostFault(&'static str),
    Snooze(&'static str),
    /// One more interval is recorded, and the job released.
    Progress(&'static str),
    /// The first interval is recorded again, as by an attempt that began anew.
    Repeat(&'static str),
    /// A person retries the failed job.
    Retried,
    /// The other hosts are gone: not seen for three minutes, stopped, or of another class.
    Alone(&'static str),
}
use Happens::{Alone, Crash, HostFault, Loss, Progress, Repeat, Retried, Snooze};

const SILENT: &str = "UPDATE worker SET last_seen_at = now() - interval '3 minutes' WHERE host = 'b'";
const STOPPED: &str = "UPDATE worker SET state = 'stopped', stopped_at = now() WHERE host = 'b'";
const OTHER: &str = "UPDATE worker SET class = 'cpu' WHERE host = 'b'";
const DRAINING: &str = "UPDATE worker SET state = 'draining' WHERE host = 'b'";

fn happen(conn: &mut PgConnection, workers: &HashMap<&str, Uuid>, id: JobId, what: Happens) {
    match what {
        Alone(sql) => return conn.batch_execute(sql).unwrap(),
        Retried => return assert_eq!(job::retry(conn, &[id]).unwrap(), 1),
        _ => {}
    }
    if state(conn, id) == JobState::Waiting {
        conn.batch_execute("UPDATE job SET run_after = now()").unwrap();
        assert_eq!(maintenance::wake(conn).unwrap(), 1);
    }
    let (Crash(host) | Loss(host) | HostFault(host) | Snooze(host) | Progress(host) | Repeat(host)) = what
    else {
        unreachable!()
    };
    let held = claim_by(conn, workers[host]);
    match what {
        Crash(_) => drop(lease::retry(conn, held, "out of memory", "log", TTL).unwrap().unwrap()),
        Loss(_) => {
            expire(conn, id);
            assert_eq!(maintenance::reap(conn).unwrap().len(), 1);
        }
        HostFault(_) => {
            let why = GiveBack::HostFault { error: "the data set is missing" };
            assert_eq!(lease::release(conn, held, why).unwrap(), Some(JobState::Ready));
        }
        Snooze(_) => {
            let why = GiveBack::Snooze { error: "the store is away", pause: TTL };
            assert_eq!(lease::release(conn, held, why).unwrap(), Some(JobState::Waiting));
        }
        Progress(_) | Repeat(_) => {
            let steps = curve::load(conn, id, i32::MAX).unwrap().len() as i32;
            let step = if matches!(what, Repeat(_)) { 1 } else { steps + 1 };
            curve::record(conn, held, &point(step, 50.0), None).unwrap().unwrap();
            lease::release(conn, held, GiveBack::Leaving).unwrap().unwrap();
        }
        Retried | Alone(_) => unreachable!(),
    }
}

fn counts(conn: &mut PgConnection, id: JobId) -> (i16, i16) {
    use schema::job::dsl;
    dsl::job.find(id).select((dsl::crashes, dsl::losses)).first(conn).unwrap()
}

/// So many times the same.
fn times(count: usize, what: Happens) -> Vec<Happens> {
    vec![what; count]
}

/// One after the other, so often.
fn turns(count: usize, what: &[Happens]) -> Vec<Happens> {
    what.iter().copied().cycle().take(count * what.len()).collect()
}

#[test]
fn histories_of_crashes_and_losses() {
    use JobState::{Failed, Ready, Waiting};
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let (a, b) = ("a", "b");
    let table: [(Vec<Happens>, (JobState, i16, i16), &str); 23] = [
        (times(4, Crash(a)), (Waiting, 4, 0), "four crashes are none too many"),
        (times(5, Crash(a)), (Waiting, 5, 0), "one host alone is no evidence while another lives"),
        (times(7, Crash(a)), (Waiting, 7, 0), "nor is more of it"),
        ([times(5, Crash(a)), times(1, Crash(b))].concat(), (Failed, 6, 0), "the other host agrees"),
        ([times(4, Crash(a)), times(1, Crash(b))].concat(), (Failed, 5, 0), "five on two hosts"),
        ([times(1, Alone(SILENT)), times(5, Crash(a))].concat(), (Failed, 5, 0), "the other one is not seen"),
        ([times(1, Alone(STOPPED)), times(5, Crash(a))].concat(), (Failed, 5, 0), "the other one has left"),
        ([times(1, Alone(DRAINING)), times(5, Crash(a))].concat(), (Failed, 5, 0), "the other one leaves"),
        (
            [times(1, Alone(OTHER)), times(5, Crash(a))].concat(),
            (Failed, 5, 0),
            "the other one does other jobs",
        ),
        (
            [times(5, Crash(a)), times(1, Alone(SILENT)), times(1, Crash(a))].concat(),
            (Failed, 6, 0),
            "it is alone now",
        ),
        (
            [times(4, Crash(a)), times(1, Progress(a)), times(1, Crash(b))].concat(),
            (Waiting, 1, 0),
            "it got further since",
        ),
        (
            [times(4, Crash(a)), times(1, Progress(a)), times(4, Crash(b))].concat(),
            (Waiting, 4, 0),
            "and is counted anew",
        ),
        (
            [times(1, Progress(a)), times(4, Crash(a)), times(1, Repeat(a)), times(1, Crash(b))].concat(),
            (Failed, 5, 0),
            "what was there before is no progress",
        ),
        (
            turns(8, &[Progress(a), Crash(a), Loss(b)]),
            (Ready, 1, 1),
            "it gets further each time, on hosts that come and go: only what came since is counted",
        ),
        (times(9, Loss(a)), (Ready, 0, 9), "nine losses are none too many"),
        (times(12, Loss(a)), (Ready, 0, 12), "on one host while another lives"),
        (turns(5, &[Loss(a), Loss(b)]), (Failed, 0, 10), "ten on two hosts"),
        ([times(1, Alone(SILENT)), times(10, Loss(a))].concat(), (Failed, 0, 10), "ten on the only one"),
        (
            [times(4, Crash(a)), turns(4, &[Loss(a), Loss(b)]), times(1, Loss(a))].concat(),
            (Ready, 4, 9),
            "crashes and losses are counted apart",
        ),
        ([times(30, HostFault(a)), times(30, HostFault(b))].concat(), (Ready, 0, 0), "what a host lacks"),
        ([times(30, Snooze(a)), times(30, Snooze(b))].concat(), (Waiting, 0, 0), "what is away for all"),
        (
            [times(4, Crash(a)), times(1, Crash(b)), times(1, Retried)].concat(),
            (Ready, 0, 0),
            "a person forgives it all",
        ),
        (
            [times(4, Crash(a)), times(1, Crash(b)), times(1, Retried), times(4, Crash(a))].concat(),
            (Waiting, 4, 0),
            "and it is counted anew",
        ),
    ];
    let mut faults = Vec::new();
    for (history, expected, why) in table {
        clear(&mut conn);
        let workers: HashMap<_, _> = [a, b].map(|host| (host, worker_on(&mut conn, host))).into();
        submit(&mut conn, "s", 1);
        let id: JobId = schema::job::table.select(schema::job::id).first(&mut conn).unwrap();
        for what in history {
            happen(&mut conn, &workers, id, what);
        }
        let (crashes, losses) = counts(&mut conn, id);
        let found = (state(&mut conn, id), crashes, losses);
        if found != expected {
            faults.push(format!("{why}: expected {expected:?}, found {found:?}"));
        }
        let results = usize::from(expected.0 == Failed);
        assert_eq!(rows(&mut conn, "SELECT 1 FROM result WHERE outcome = 'failed'"), results, "{why}");
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn a_failed_job_says_how_often_and_with_which_last_error() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let a = worker_on(&mut conn, "a");
    let workers = HashMap::from([("a", a)]);
    for (history, expected) in [
        (times(5, Crash("a")), "crashed 5 times; last error: out of memory"),
        (
            [times(1, Crash("a")), times(10, Loss("a"))].concat(),
            "lost with 10 workers and crashed 1 times without progress; last error: out of memory",
        ),
        (
            times(10, Loss("a")),
            "lost with 10 workers and crashed 0 times without progress; last error: the lease expired: \
             the worker was killed, hung, or cut off",
        ),
    ] {
        conn.batch_execute("TRUNCATE search CASCADE").unwrap();
        submit(&mut conn, "s", 1);
        let id: JobId = schema::job::table.select(schema::job::id).first(&mut conn).unwrap();
        for what in history {
            happen(&mut conn, &workers, id, what);
        }
        let shown = job::show(&mut conn, id).unwrap();
        assert_eq!(shown.error.as_deref(), Some(expected));
    }
}

#[test]
fn a_job_waits_twice_as_long_after_each_crash() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let (a, _) = (worker_on(&mut conn, "a"), worker_on(&mut conn, "b"));
    submit(&mut conn, "s", 1);
    for (crash, seconds) in [(1, 10.0), (2, 20.0), (3, 40.0), (4, 80.0), (5, 160.0), (6, 160.0)] {
        let held = claim_by(&mut conn, a);
        let retried = lease::retry(&mut conn, held, "x", "", Duration::from_secs(10)).unwrap().unwrap();
        assert_eq!((retried.crashes, retried.hosts, retried.pause), (crash, 1, seconds));
        let waits =
            format!("SELECT 1 FROM job WHERE run_after BETWEEN now() AND now() + interval '{seconds} s'");
        assert_eq!(rows(&mut conn, &waits), 1);
        conn.batch_execute("UPDATE job SET run_after = now()").unwrap();
        maintenance::wake(&mut conn).unwrap();
    }
}

#[test]
fn promotion_forgives_the_crashes_of_a_terminated_job() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let a = worker_on(&mut conn, "a");
    let search = submit(&mut conn, "s", 1);
    let held = claim_by(&mut conn, a);
    let stop = Observation { prediction: Some(65.0), decision: Some(Decision::Stop), ..point(1, 50.0) };
    curve::record(&mut conn, held, &stop, None).unwrap().unwrap();
    assert_eq!(freeze::freeze(&mut conn, held, 1).unwrap(), Some(JobState::Frozen));
    let claim = ThawClaim { job_id: held.job_id, chance: 0.5, calibration: Ordinal(1) };
    for _ in 0..4 {
        let held = freeze::thaw(&mut conn, &[claim], a, TTL).unwrap().unwrap().lease();
        assert_eq!(lease::retry(&mut conn, held, "x", "", TTL).unwrap().unwrap().state, JobState::Frozen);
    }
    assert_eq!(counts(&mut conn, held.job_id), (4, 0));
    let seen = freeze::since(&mut conn, search, Cursor::default()).unwrap().unwrap().last().unwrap().ordinal;
    assert_eq!(freeze::stop_all(&mut conn, search, seen).unwrap(), 1);
    assert!(search::promote(&mut conn, search, 1).unwrap()[0].promoted);
    assert_eq!(counts(&mut conn, held.job_id), (0, 0));
    let forgotten = "SELECT 1 FROM job WHERE crash_step IS NULL AND crash_hosts IS NULL";
    assert_eq!(rows(&mut conn, forgotten), 1);
    let held = claim_by(&mut conn, a);
    assert_eq!(lease::retry(&mut conn, held, "x", "", TTL).unwrap().unwrap().state, JobState::Waiting);
}

#[test]
fn a_job_that_was_claimed_more_often_than_can_be_counted_is_claimed_again() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    submit(&mut conn, "s", 1);
    let id = worker_on(&mut conn, "a");
    conn.batch_execute("UPDATE job SET attempts = 32766").unwrap();
    for _ in 0..3 {
        let held = claim_by(&mut conn, id);
        assert_eq!(rows(&mut conn, "SELECT 1 FROM job WHERE attempts = 32767"), 1);
        lease::release(&mut conn, held, GiveBack::Leaving).unwrap().unwrap();
    }
    let held = claim_by(&mut conn, id);
    let stop = Observation { prediction: Some(65.0), decision: Some(Decision::Stop), ..point(1, 50.0) };
    curve::record(&mut conn, held, &stop, None).unwrap().unwrap();
    freeze::freeze(&mut conn, held, 1).unwrap().unwrap();
    let claim = ThawClaim { job_id: held.job_id, chance: 0.5, calibration: Ordinal(1) };
    assert!(freeze::thaw(&mut conn, &[claim], id, TTL).unwrap().is_some(), "nor can a thaw be counted");
}

#[test]
fn a_job_that_crashes_whenever_it_is_taken_up_is_failed() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let a = worker_on(&mut conn, "a");
    submit(&mut conn, "s", 1);
    let held = claim_by(&mut conn, a);
    let stop = Observation { prediction: Some(65.0), decision: Some(Decision::Stop), ..point(1, 50.0) };
    curve::record(&mut conn, held, &stop, None).unwrap().unwrap();
    freeze::freeze(&mut conn, held, 1).unwrap().unwrap();
    let claim = ThawClaim { job_id: held.job_id, chance: 0.5, calibration: Ordinal(1) };
    for crash in 1..=5 {
        let held = freeze::thaw(&mut conn, &[claim], a, TTL).unwrap().unwrap().lease();
        let next = if crash < 5 { JobState::Frozen } else { JobState::Failed };
        assert_eq!(
            lease::retry(&mut conn, held, "x", "", TTL).unwrap().unwrap().state,
            next,
            "crash {crash}"
        );
    }
    assert_eq!(rows(&mut conn, "SELECT 1 FROM result WHERE outcome = 'failed'"), 1);
}
