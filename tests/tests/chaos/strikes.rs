//! What strikes, drawn like cards: each kind comes often enough in a short run, and in another order each time.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use diesel::{PgConnection, connection::SimpleConnection as _};
use rand::{RngExt as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;
use testing::SmallDisk;
use tests::{Lab, Postgres};

use crate::crew::{Crew, Lack};

/// Time to live of leases, in seconds.
pub const TTL: f64 = 2.0;
/// `--hang-after`, in seconds: an outage is three times as long.
pub const HANG_AFTER: f64 = 3.0;

/// How long a frozen client may hold its locks, in milliseconds.
const FROZEN: u32 = 1500;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Strike {
    KillWorker,
    StopWorker,
    KillPostgres,
    ReadOnly,
    LongOutage,
    NoProgram,
    NoScratch,
    EndSessions,
    FrozenClient,
    FullDisk,
}

/// How often each comes in one round of the deck.
const DECK: &[(Strike, usize)] = &[
    (Strike::KillWorker, 4),
    (Strike::StopWorker, 7),
    (Strike::KillPostgres, 2),
    (Strike::ReadOnly, 1),
    (Strike::LongOutage, 1),
    (Strike::NoProgram, 1),
    (Strike::NoScratch, 1),
    (Strike::EndSessions, 2),
    (Strike::FrozenClient, 2),
    (Strike::FullDisk, 1),
];

/// Strikes at a server and at workers.
pub struct Chaos<'a, 'c> {
    lab: &'a Lab,
    postgres: &'a Postgres,
    disk: Option<&'a SmallDisk>,
    crew: &'c mut Crew<'a>,
    draw: &'c mut ChaCha8Rng,
    deck: Vec<Strike>,
    /// The client that froze last.
    frozen: Option<PgConnection>,
    struck: BTreeMap<Strike, u32>,
}

impl<'a, 'c> Chaos<'a, 'c> {
    pub fn new(
        lab: &'a Lab,
        postgres: &'a Postgres,
        disk: Option<&'a SmallDisk>,
        crew: &'c mut Crew<'a>,
        draw: &'c mut ChaCha8Rng,
    ) -> Self {
        Self { lab, postgres, disk, crew, draw, deck: Vec::new(), frozen: None, struck: BTreeMap::new() }
    }

    /// One blow after a pause.
    pub fn strike(&mut self) {
        self.pause(0.05, 0.6);
        let strike = self.next();
        if self.blow(strike) {
            *self.struck.entry(strike).or_default() += 1;
        }
        self.crew.wake(Instant::now());
    }

    /// What struck how often.
    pub fn end(self) -> String {
        let counts: Vec<_> =
            self.struck.iter().map(|(strike, times)| format!("{strike:?} {times}")).collect();
        counts.join(", ")
    }

    fn next(&mut self) -> Strike {
        if self.deck.is_empty() {
            self.deck = DECK.iter().flat_map(|&(strike, times)| vec![strike; times]).collect();
            self.deck.shuffle(self.draw);
        }
        self.deck.pop().unwrap()
    }

    /// False where there is nothing to strike.
    fn blow(&mut self, strike: Strike) -> bool {
        let victim = self.draw.random_range(0..self.crew.workers.len());
        match strike {
            // It is to wake up: others have its job by then.
            Strike::KillWorker | Strike::StopWorker if self.crew.is_stopped(victim) => return false,
            Strike::StopWorker if self.crew.stopped() >= self.crew.workers.len() / 2 => return false,
            Strike::KillWorker => self.crew.replace(victim),
            Strike::StopWorker => {
                let pause = self.draw.random_range(TTL * 1.3..TTL * 2.5);
                self.crew.stop(victim, Duration::from_secs_f64(pause));
            }
            Strike::KillPostgres => self.kill_postgres(0.0, 2.0 * TTL),
            Strike::LongOutage => self.kill_postgres(3.0 * HANG_AFTER, 3.0 * HANG_AFTER + 0.5),
            Strike::ReadOnly => self.turn_read_only(),
            Strike::NoProgram => self.crew.join_toxic(Lack::Program),
            Strike::NoScratch => self.crew.join_toxic(Lack::Scratch),
            Strike::EndSessions => self.end_sessions(),
            Strike::FrozenClient => self.freeze_client(),
            Strike::FullDisk => return self.fill_disk(),
        }
        true
    }

    fn kill_postgres(&mut self, least: f64, most: f64) {
        self.postgres.kill();
        self.pause(least, most);
        self.postgres.restart();
    }

    fn turn_read_only(&mut self) {
        self.postgres.set("default_transaction_read_only", "on");
        self.pause(0.5, 2.0 * TTL);
        self.postgres.set("default_transaction_read_only", "off");
    }

    fn end_sessions(&self) {
        let ours = "application_name LIKE 'peng-%' AND pid <> pg_backend_pid()";
        let end = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours}");
        self.lab.connect().batch_execute(&end).unwrap();
    }

    /// A client that stops within a transaction, with the rows locked that all others need.
    fn freeze_client(&mut self) {
        let mut client = self.lab.connect();
        let begin = format!(
            "SET idle_in_transaction_session_timeout = {FROZEN}; BEGIN; \
             SELECT FROM job WHERE state = 'running' ORDER BY id FOR UPDATE; SELECT FROM lease ORDER BY job_id FOR UPDATE"
        );
        client.batch_execute(&begin).unwrap();
        self.frozen = Some(client);
    }

    fn fill_disk(&mut self) -> bool {
        let Some(disk) = self.disk else { return false };
        disk.fill();
        self.pause(1.0, 2.0 * TTL);
        disk.empty();
        // It may have ended itself, or be about to.
        self.postgres.restart();
        true
    }

    fn pause(&mut self, least: f64, most: f64) {
        thread::sleep(Duration::from_secs_f64(self.draw.random_range(least..most)));
    }
}
