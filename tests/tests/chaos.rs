//! Chaos: workers are killed and stopped past their leases, Postgres is killed and restarted, at random; afterwards
//! nothing may be lost, doubled or written by a worker whose job another one has.
//!
//! `PENG_CHAOS_SEED` repeats the draws of a run, `PENG_CHAOS_MINUTES` makes it longer, with more jobs.
#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "../../workers/replay/src/curves.rs"]
mod curves;

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use curves::Source;
use diesel::{QueryableByName, RunQueryDsl as _, connection::SimpleConnection as _, sql_query, sql_types};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rustix::process::Signal;
use tests::{Lab, Postgres, Worker};

const WORKERS: usize = 4;
const EPOCHS: u32 = 12;
const TTL: f64 = 2.0;
const JOBS_A_MINUTE: f64 = 200.0;
/// Of the chaos, that the jobs would take if nothing happened.
const SHARE: f64 = 0.35;

#[test]
fn nothing_is_lost_doubled_or_written_twice() {
    let minutes = setting("PENG_CHAOS_MINUTES").unwrap_or(1.0);
    let seed = setting("PENG_CHAOS_SEED").unwrap_or_else(|| rand::random_range(0..1_000_000));
    eprintln!("PENG_CHAOS_SEED={seed} PENG_CHAOS_MINUTES={minutes}");
    let mut chaos = Chaos::begin(seed, (JOBS_A_MINUTE * minutes) as u32);
    let end = Instant::now() + Duration::from_secs_f64(60.0 * minutes);
    while Instant::now() < end {
        chaos.strike();
    }
    chaos.settle();
    chaos.verify();
}

fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is `{text}`: expected a number")))
}

struct Chaos {
    draw: ChaCha8Rng,
    workers: Vec<Worker>,
    /// When each worker goes on, if it is stopped.
    stopped: Vec<Option<Instant>>,
    /// Logs of all workers that ever ran.
    logs: Vec<PathBuf>,
    /// Kills, stops, kills of Postgres.
    strikes: [u32; 3],
    jobs: u32,
    curves: Option<PathBuf>,
    // Dropped last: the laboratory's files and the server.
    lab: Lab,
    postgres: Postgres,
}

impl Chaos {
    fn begin(seed: u64, jobs: u32) -> Self {
        let postgres = Postgres::start();
        let lab = Lab::on(postgres.url());
        assert!(lab.peng(&["db", "migrate"]).status.success());
        lab.connect().batch_execute(include_str!("chaos/witness.sql")).unwrap();
        lab.submit(&format!(
            "name = \"chaos\"\n[data]\nset = \"digits\"\n[space]\nkind = \"random-cnn\"\n[strategy]\nkind = \"random\"\n\
             [budget]\njobs = {jobs}\nmax_epochs = {EPOCHS}\ninterval = 0.5\n[predictor]\nengine = \"none\"\n"
        ));
        let recorded =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/curves/icpp23-1e15-full.csv");
        let mut chaos = Self {
            draw: ChaCha8Rng::seed_from_u64(seed),
            workers: Vec::new(),
            stopped: vec![None; WORKERS],
            logs: Vec::new(),
            strikes: [0; 3],
            jobs,
            curves: recorded.exists().then_some(recorded),
            lab,
            postgres,
        };
        chaos.workers = (0..WORKERS).map(|_| chaos.worker()).collect();
        chaos
    }

    /// The witness knows each worker process by the name of its sessions, which holds its number.
    fn worker(&mut self) -> Worker {
        let epoch_seconds = SHARE * 60.0 * WORKERS as f64 / (JOBS_A_MINUTE * f64::from(EPOCHS));
        let mut command = self.lab.command("peng-replay-worker");
        let program = command.get_program().to_owned();
        let environment: Vec<_> =
            command.get_envs().filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned()))).collect();
        command = std::process::Command::new("sh");
        command.args(["-c", "PGAPPNAME=peng-$$ exec \"$0\" \"$@\""]).arg(program).envs(environment);
        command.args(["--lease-ttl", &TTL.to_string(), "--epoch-seconds", &epoch_seconds.to_string()]);
        if let Some(curves) = &self.curves {
            command.arg("--curves").arg(curves);
        }
        let worker = self.lab.spawn(command);
        self.logs.push(worker.log_file().to_owned());
        worker
    }

    /// One blow after a pause.
    fn strike(&mut self) {
        std::thread::sleep(Duration::from_millis(self.draw.random_range(50..600)));
        let victim = self.draw.random_range(0..WORKERS);
        let stopped = self.stopped.iter().flatten().count();
        match self.draw.random_range(0..10) {
            0 => {
                self.postgres.kill();
                self.strikes[2] += 1;
                let away = self.draw.random_range(0.0..2.0 * TTL);
                std::thread::sleep(Duration::from_secs_f64(away));
                self.postgres.restart();
            }
            // It is to wake up: others have its job by then.
            _ if self.stopped[victim].is_some() => {}
            1..7 if stopped < WORKERS / 2 => {
                self.workers[victim].signal(Signal::STOP);
                let pause = self.draw.random_range(TTL * 1.3..TTL * 2.5);
                self.stopped[victim] = Some(Instant::now() + Duration::from_secs_f64(pause));
                self.strikes[1] += 1;
            }
            _ => {
                self.workers[victim].kill();
                self.strikes[0] += 1;
                self.workers[victim] = self.worker();
            }
        }
        for (worker, until) in self.workers.iter().zip(&mut self.stopped) {
            if until.take_if(|until| *until <= Instant::now()).is_some() {
                worker.signal(Signal::CONT);
            }
        }
    }

    /// Lets the workers finish in peace.
    fn settle(&mut self) {
        for (worker, until) in self.workers.iter().zip(&mut self.stopped) {
            if until.take().is_some() {
                worker.signal(Signal::CONT);
            }
        }
        let at_the_end = self.lab.count("result");
        self.lab.wait_for("result", i64::from(self.jobs));
        for worker in &mut self.workers {
            worker.signal(Signal::TERM);
            assert_eq!(worker.join(), Some(0), "{}", worker.log());
        }
        let [kills, stops, restarts] = self.strikes;
        let lost = self.lab.count("attempt WHERE \"end\" = 'lost'");
        let woken: usize = self
            .logs
            .iter()
            .map(|log| fs::read_to_string(log).unwrap().matches("dropped, another").count())
            .sum();
        eprintln!(
            "chaos: {kills} workers killed, {stops} stopped, Postgres killed {restarts} times; {at_the_end} of {} jobs \
             had ended when it was over; {lost} attempts were lost, {woken} of them to workers that woke up too late",
            self.jobs
        );
        assert!(at_the_end > 0 && lost > 0, "the chaos struck trainings, and trainings survived it");
        assert!(woken > 0, "no worker ever woke up too late");
    }

    fn verify(&self) {
        let none = [
            ("job without its result", "job LEFT JOIN result ON job_id = id WHERE job_id IS NULL"),
            ("job that did not come to its end: nothing here is its fault", "job WHERE state <> 'completed'"),
            (
                "result that disagrees with its job",
                "result JOIN job ON id = job_id WHERE outcome::text <> state::text",
            ),
            ("lease", "lease"),
            ("attempt that never ended", "attempt WHERE ended_at IS NULL"),
            ("write under a superseded fence", "superseded"),
            (
                "later step under an earlier fence",
                "observation a JOIN observation b ON a.job_id = b.job_id AND a.step < b.step AND a.fence > b.fence",
            ),
            (
                "curve with a hole or too short",
                &format!(
                    "(SELECT job_id FROM observation JOIN job ON id = job_id GROUP BY job_id, state \
                     HAVING count(*) <> max(step) OR (state = 'completed' AND max(step) <> 2 * {EPOCHS})) broken"
                ),
            ),
        ];
        for (what, sql) in none {
            assert_eq!(self.lab.count(sql), 0, "{what}");
        }
        assert_eq!(self.lab.count("result"), i64::from(self.jobs), "one result per job");
        self.verify_curves();
        self.verify_checkpoints();
        self.verify_acknowledged();
    }

    fn verify_curves(&self) {
        let source = self.curves.as_ref().map_or(Source::MadeUp, |file| Source::read(file).unwrap());
        for point in self.load::<Point>(
            "SELECT job_id, genome, seed, epoch, val_acc, train_acc FROM observation JOIN job ON job.id = job_id \
             JOIN architecture ON architecture.id = architecture_id",
        ) {
            let expected = source.point(&point.genome, point.seed, point.epoch);
            assert_eq!((point.val_acc, point.train_acc), (expected.val_acc, expected.train_acc), "{point:?}");
        }
    }

    /// Each pointer's object is there, whole, and was written by the attempt that committed the pointer.
    fn verify_checkpoints(&self) {
        let checkpoints = format!("file://{}/checkpoints", self.lab.dir.path().display());
        let mut conn = self.lab.connect();
        let identity = store::identity(&mut conn).unwrap();
        let store = checkpoint::CheckpointStore::open(Some(&checkpoints), identity, false).unwrap();
        for Pointer { job_id } in self.load("SELECT DISTINCT job_id FROM checkpoint") {
            for checkpoint in store::checkpoint::newest_first(&mut conn, domain::JobId(job_id)).unwrap() {
                store.fetch(&checkpoint, &self.lab.dir.path().join("fetched"), &|| false).unwrap();
            }
        }
        let strange = "checkpoint JOIN attempt USING (job_id, fence) WHERE key NOT LIKE \
             '%/' || lpad(step::text, 6, '0') || '-' || fence || '-' || worker_id || '.ckpt'";
        assert_eq!(self.lab.count(strange), 0, "a pointer to another attempt's object");
    }

    /// What a worker logged as recorded is recorded, however often Postgres was killed since.
    fn verify_acknowledged(&self) {
        let recorded: std::collections::HashSet<(i64, String)> = self
            .load::<Recorded>("SELECT job_id, epoch FROM observation")
            .into_iter()
            .map(|row| (row.job_id, format!("{:.1}", row.epoch)))
            .collect();
        let mut seen = 0;
        for log in &self.logs {
            for line in String::from_utf8_lossy(&fs::read(log).unwrap()).lines() {
                let Some((_, rest)) = line.split_once("job ") else { continue };
                let Some((job, rest)) = rest.split_once(": epoch ") else { continue };
                let (epoch, _) = rest.split_once(',').unwrap();
                let key = (job.parse().unwrap(), epoch.to_owned());
                assert!(recorded.contains(&key), "acknowledged and lost: {line}");
                seen += 1;
            }
        }
        assert!(seen >= recorded.len() / 2, "{seen} lines for {} observations", recorded.len());
    }

    fn load<T: QueryableByName<diesel::pg::Pg> + 'static>(&self, sql: &str) -> Vec<T> {
        sql_query(sql).load(&mut self.lab.connect()).unwrap()
    }
}

#[derive(Debug, QueryableByName)]
struct Point {
    #[diesel(sql_type = sql_types::BigInt)]
    #[expect(dead_code, reason = "shown where a point is wrong")]
    job_id: i64,
    #[diesel(sql_type = sql_types::Jsonb)]
    genome: serde_json::Value,
    #[diesel(sql_type = sql_types::BigInt)]
    seed: i64,
    #[diesel(sql_type = sql_types::Double)]
    epoch: f64,
    #[diesel(sql_type = sql_types::Double)]
    val_acc: f64,
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    train_acc: Option<f64>,
}

#[derive(QueryableByName)]
struct Pointer {
    #[diesel(sql_type = sql_types::BigInt)]
    job_id: i64,
}

#[derive(QueryableByName)]
struct Recorded {
    #[diesel(sql_type = sql_types::BigInt)]
    job_id: i64,
    #[diesel(sql_type = sql_types::Double)]
    epoch: f64,
}
