//! The statements of an attempt, each of which must write nothing once the job is another attempt's.

use diesel::PgConnection;
use domain::Lease;
use store::{
    checkpoint, curve,
    finish::{self, JobEnd},
    job::Outcome,
    lease::{self, GiveBack},
};

use super::{TTL, point, pointer};

/// A statement of an attempt at its second step; whether it was told that it wrote something.
pub type Statement = fn(&mut PgConnection, Lease) -> bool;

pub const FENCED: &[(&str, Statement)] = &[
    ("record", |conn, lease| curve::record(conn, lease, &point(2, 50.0), None).unwrap().is_some()),
    ("record with a checkpoint", |conn, lease| {
        curve::record(conn, lease, &point(2, 50.0), Some(&pointer(lease, 2))).unwrap().is_some()
    }),
    ("renew", |conn, lease| !lease::renew(conn, lease.worker_id, &[lease], TTL).unwrap().is_empty()),
    ("finish", |conn, lease| {
        finish::finish(conn, lease, JobEnd::plain(Outcome::Completed)).unwrap().is_some()
    }),
    ("fail", |conn, lease| {
        let end = JobEnd { error: Some("late"), log: Some("log"), ..JobEnd::plain(Outcome::Failed) };
        finish::finish(conn, lease, end).unwrap().is_some()
    }),
    ("release", |conn, lease| lease::release(conn, lease, GiveBack::Leaving).unwrap().is_some()),
    ("host fault", |conn, lease| {
        lease::release(conn, lease, GiveBack::HostFault { error: "late" }).unwrap().is_some()
    }),
    ("snooze", |conn, lease| {
        lease::release(conn, lease, GiveBack::Snooze { error: "late", pause: TTL }).unwrap().is_some()
    }),
    ("retry", |conn, lease| lease::retry(conn, lease, "late", "log", TTL).unwrap().is_some()),
    ("prune", |conn, lease| !checkpoint::prune(conn, lease, 2).unwrap().is_empty()),
];
