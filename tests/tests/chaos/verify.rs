//! What must hold when all is over.

use std::collections::HashSet;

use diesel::{QueryableByName, RunQueryDsl as _, sql_query, sql_types};
use tests::Lab;

use crate::crew::{Crew, STEPS, text};

/// Looks for what was lost, doubled, or written by a worker whose job another one had.
pub struct Verification<'a> {
    pub lab: &'a Lab,
    pub crew: &'a Crew<'a>,
    pub jobs: u32,
}

impl Verification<'_> {
    /// All that holds where no acknowledged commit may be lost.
    pub fn all(&self) {
        self.consistent();
        self.checkpoints(2);
        self.acknowledged();
    }

    /// All that holds even where a fail-over has lost commits.
    pub fn consistent(&self) {
        self.nothing();
        assert_eq!(self.lab.count("result"), i64::from(self.jobs), "one result per job");
        self.curves();
    }

    /// What there may be none of.
    fn nothing(&self) {
        // A sum of seconds depends in its last digit on the order of its rows, which is not that of the curve where they were
        // written by several attempts.
        let of_curve = |row: &str| {
            let columns = "step epochs last_fitness best_fitness final_fitness stop_epoch stop_fitness prediction low_80 \
                           high_80 low_90 high_90 fitness";
            let sums = ["seconds", "stop_seconds"].map(|sum| format!("round({row}.{sum}::numeric, 6)"));
            let columns = columns.split(' ').map(|column| format!("{row}.{column}")).chain(sums);
            columns.collect::<Vec<_>>().join(", ")
        };
        let none = [
            ("job without its result", "job LEFT JOIN result ON job_id = id WHERE job_id IS NULL"),
            ("job that did not come to its end: nothing here is its fault", "job WHERE state <> 'completed'"),
            ("job with a crash: nothing here is its fault", "job WHERE crashes > 0"),
            ("attempt that is said to have crashed", "attempt WHERE \"end\" = 'retried'"),
            (
                "result that disagrees with its job",
                "result JOIN job ON id = job_id WHERE outcome::text <> state::text",
            ),
            (
                "result that disagrees with its curve",
                &format!(
                    "result CROSS JOIN LATERAL curve_result(job_id, outcome) AS curve \
                     WHERE ({}) IS DISTINCT FROM ({})",
                    of_curve("result"),
                    of_curve("curve")
                ),
            ),
            ("lease", "lease"),
            ("attempt that never ended", "attempt WHERE ended_at IS NULL"),
            ("write under a superseded fence", "superseded"),
            (
                "attempt with two writers",
                "(SELECT FROM written GROUP BY job_id, fence HAVING count(DISTINCT writer) > 1) AS twice",
            ),
            (
                "later step under an earlier fence",
                "observation a JOIN observation b ON a.job_id = b.job_id AND a.step < b.step AND a.fence > b.fence",
            ),
            (
                "curve with a hole or too short",
                &format!(
                    "(SELECT job_id, count(*), max(step) FROM observation GROUP BY job_id \
                     HAVING count(*) <> max(step) OR max(step) <> {STEPS}) broken"
                ),
            ),
        ];
        for (what, sql) in none {
            assert_eq!(self.lab.count(sql), 0, "{what}: {:?}", self.some(sql));
        }
    }

    /// A few of the rows that should not be there.
    fn some(&self, sql: &str) -> Vec<String> {
        let rows =
            format!("SELECT to_json(broken)::text AS row FROM (SELECT * FROM {sql} LIMIT 3) AS broken");
        self.load::<Row>(&rows).into_iter().map(|Row { row }| row).collect()
    }

    /// Each point is the one that its genome, its seed and its epoch make.
    fn curves(&self) {
        let source = self.crew.source();
        for point in self.load::<Point>(
            "SELECT job_id, genome, seed, epoch, val_acc, train_acc FROM observation JOIN job ON job.id = job_id \
             JOIN architecture ON architecture.id = architecture_id",
        ) {
            let expected = source.point(&point.genome, point.seed, point.epoch);
            assert_eq!((point.val_acc, point.train_acc), (expected.val_acc, expected.train_acc), "{point:?}");
        }
    }

    /// The objects of the newest pointers are there, whole, and were written by the attempts that committed the pointers.
    pub fn checkpoints(&self, newest: usize) {
        let checkpoints = format!("file://{}/checkpoints", self.lab.dir.path().display());
        let mut conn = self.lab.connect();
        let identity = store::identity(&mut conn).unwrap();
        let store = checkpoint::CheckpointStore::open(Some(&checkpoints), identity, false).unwrap();
        for Pointer { job_id } in self.load("SELECT DISTINCT job_id FROM checkpoint") {
            let pointers = store::checkpoint::newest_first(&mut conn, domain::JobId(job_id)).unwrap();
            for checkpoint in pointers.into_iter().take(newest) {
                store.fetch(&checkpoint, &self.lab.dir.path().join("fetched"), &|| false).unwrap();
            }
        }
        let strange = "checkpoint JOIN attempt USING (job_id, fence) WHERE key NOT LIKE \
             '%/' || lpad(step::text, 6, '0') || '-' || fence || '-' || worker_id || '.ckpt'";
        assert_eq!(self.lab.count(strange), 0, "a pointer to another attempt's object");
    }

    /// What a worker logged as recorded is recorded, however often Postgres was killed or failed over since.
    fn acknowledged(&self) {
        let recorded: HashSet<(i64, String)> = self
            .load::<Recorded>("SELECT job_id, epoch FROM observation")
            .into_iter()
            .map(|row| (row.job_id, format!("{:.1}", row.epoch)))
            .collect();
        let mut seen = 0;
        for log in &self.crew.logs {
            for line in text(log).lines() {
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
struct Row {
    #[diesel(sql_type = sql_types::Text)]
    row: String,
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
