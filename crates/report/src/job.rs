//! One job: its curve, each prediction with its interval, the decision, the attempts.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension as _, PgConnection, QueryableByName, RunQueryDsl as _, sql_query, sql_types as ty,
};
use serde::Serialize;

use crate::cell::Cell;
use crate::document::{Document, Section};
use crate::epochs::decimals;
use crate::figure::{Axis, Figure, Layer, Marks};
use crate::output::Report;
use crate::palette::Ink;
use crate::scope::{failed, snapshot};
use crate::table::Table;
use crate::{Citation, Filter, ReportError, citation};

/// One job with all that is known of it.
#[derive(Clone, Debug, Serialize)]
pub struct JobReport {
    /// What it is cited by.
    pub citation: Citation,
    /// The job.
    pub job: Job,
    /// Its points.
    pub curve: Vec<Observed>,
    /// Its claims.
    pub attempts: Vec<Attempt>,
}

/// The job.
#[derive(Clone, Debug, PartialEq, Serialize, QueryableByName)]
#[expect(missing_docs, reason = "the columns of view job_outcome, where each is explained")]
pub struct Job {
    #[diesel(sql_type = ty::Text)]
    pub search: String,
    #[diesel(sql_type = ty::BigInt)]
    pub job_id: i64,
    #[diesel(sql_type = ty::Text)]
    pub hash: String,
    #[diesel(sql_type = ty::Text)]
    pub summary: String,
    #[diesel(sql_type = ty::Nullable<ty::BigInt>)]
    pub parameters: Option<i64>,
    #[diesel(sql_type = ty::Nullable<ty::BigInt>)]
    pub flops: Option<i64>,
    #[diesel(sql_type = ty::Integer)]
    pub generation: i32,
    #[diesel(sql_type = ty::BigInt)]
    pub seed: i64,
    #[diesel(sql_type = ty::Text)]
    pub mode: String,
    #[diesel(sql_type = ty::Text)]
    pub state: String,
    #[diesel(sql_type = ty::Text)]
    pub class: String,
    #[diesel(sql_type = ty::SmallInt)]
    pub attempts: i16,
    #[diesel(sql_type = ty::SmallInt)]
    pub crashes: i16,
    #[diesel(sql_type = ty::Nullable<ty::Double>)]
    pub epochs: Option<f64>,
    #[diesel(sql_type = ty::Double)]
    pub max_epochs: f64,
    #[diesel(sql_type = ty::Nullable<ty::Double>)]
    pub seconds: Option<f64>,
    #[diesel(sql_type = ty::Nullable<ty::Double>)]
    pub last_fitness: Option<f64>,
    #[diesel(sql_type = ty::Nullable<ty::Double>)]
    pub best_fitness: Option<f64>,
    #[diesel(sql_type = ty::Nullable<ty::Double>)]
    pub true_fitness: Option<f64>,
    #[diesel(sql_type = ty::Nullable<ty::Double>)]
    pub fitness: Option<f64>,
    #[diesel(sql_type = ty::Nullable<ty::Text>)]
    pub fitness_source: Option<String>,
    #[diesel(sql_type = ty::Nullable<ty::Double>)]
    pub stop_epoch: Option<f64>,
    #[diesel(sql_type = ty::Nullable<ty::Double>)]
    pub stop_prediction: Option<f64>,
    #[diesel(sql_type = ty::Nullable<ty::Double>)]
    pub prediction: Option<f64>,
    #[diesel(sql_type = ty::Nullable<ty::Double>)]
    pub low_80: Option<f64>,
    #[diesel(sql_type = ty::Nullable<ty::Double>)]
    pub high_80: Option<f64>,
    #[diesel(sql_type = ty::Nullable<ty::Double>)]
    pub low_90: Option<f64>,
    #[diesel(sql_type = ty::Nullable<ty::Double>)]
    pub high_90: Option<f64>,
    #[diesel(sql_type = ty::Nullable<ty::Text>)]
    pub error: Option<String>,
    #[diesel(sql_type = ty::Nullable<ty::Timestamptz>)]
    pub finished_at: Option<DateTime<Utc>>,
}

/// One point of its curve.
#[derive(Clone, Debug, PartialEq, Serialize, QueryableByName)]
#[expect(missing_docs, reason = "the columns of view learning_curve, where each is explained")]
pub struct Observed {
    #[diesel(sql_type = ty::Integer)]
    pub step: i32,
    #[diesel(sql_type = ty::Double)]
    pub epoch: f64,
    #[diesel(sql_type = ty::Double)]
    pub val_acc: f64,
    #[diesel(sql_type = ty::Nullable<ty::Double>)]
    pub train_acc: Option<f64>,
    #[diesel(sql_type = ty::Nullable<ty::Double>)]
    pub val_loss: Option<f64>,
    #[diesel(sql_type = ty::Nullable<ty::Double>)]
    pub train_loss: Option<f64>,
    #[diesel(sql_type = ty::Nullable<ty::Double>)]
    pub seconds: Option<f64>,
    #[diesel(sql_type = ty::Nullable<ty::Double>)]
    pub prediction: Option<f64>,
    #[diesel(sql_type = ty::Nullable<ty::Double>)]
    pub low_80: Option<f64>,
    #[diesel(sql_type = ty::Nullable<ty::Double>)]
    pub high_80: Option<f64>,
    #[diesel(sql_type = ty::Nullable<ty::Double>)]
    pub low_90: Option<f64>,
    #[diesel(sql_type = ty::Nullable<ty::Double>)]
    pub high_90: Option<f64>,
    #[diesel(sql_type = ty::Nullable<ty::Text>)]
    pub decision: Option<String>,
    #[diesel(sql_type = ty::Nullable<ty::Text>)]
    pub reason: Option<String>,
    #[diesel(sql_type = ty::Timestamptz)]
    pub recorded_at: DateTime<Utc>,
}

/// One claim.
#[derive(Clone, Debug, PartialEq, Serialize, QueryableByName)]
#[expect(missing_docs, reason = "the columns of view job_attempt, where each is explained")]
pub struct Attempt {
    #[diesel(sql_type = ty::BigInt)]
    pub fence: i64,
    #[diesel(sql_type = ty::Nullable<ty::Text>)]
    pub host: Option<String>,
    #[diesel(sql_type = ty::Nullable<ty::Text>)]
    pub device: Option<String>,
    #[diesel(sql_type = ty::Text)]
    pub worker_id: String,
    #[diesel(sql_type = ty::Timestamptz)]
    pub started_at: DateTime<Utc>,
    #[diesel(sql_type = ty::Nullable<ty::Integer>)]
    pub first_step: Option<i32>,
    #[diesel(sql_type = ty::Nullable<ty::Timestamptz>)]
    pub ended_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = ty::Nullable<ty::Text>)]
    pub ending: Option<String>,
    #[diesel(sql_type = ty::Nullable<ty::Double>)]
    pub chance: Option<f64>,
    #[diesel(sql_type = ty::Nullable<ty::Integer>)]
    pub repeated: Option<i32>,
    #[diesel(sql_type = ty::Nullable<ty::Text>)]
    pub error: Option<String>,
}

/// One job with all that is known of it.
///
/// # Errors
/// [`ReportError::NoJob`] if there is none of that number.
pub fn job(conn: &mut PgConnection, id: i64) -> Result<JobReport, ReportError> {
    snapshot(conn, |conn| {
        let by = |sql: &'static str| sql_query(sql).bind::<ty::BigInt, _>(id);
        let job: Option<Job> =
            by(include_str!("job.sql")).get_result(conn).optional().map_err(failed("job"))?;
        let job = job.ok_or(ReportError::NoJob { job: id })?;
        Ok(JobReport {
            citation: citation::read(conn, &job.search, &Filter::default())?.1,
            curve: by(include_str!("job_curve.sql")).load(conn).map_err(failed("job_curve"))?,
            attempts: by(include_str!("job_attempts.sql")).load(conn).map_err(failed("job_attempts"))?,
            job,
        })
    })
}

impl JobReport {
    fn facts(&self) -> Table {
        let job = &self.job;
        let large = |count: Option<i64>| count.map_or(Cell::Empty, |n| Cell::Large(n as f64));
        let columns = [("property", ""), ("label", "property"), ("value", "value")];
        let mut table = Table::new("job", "What is known of it", &columns);
        let mut row = |key: &'static str, label: &'static str, value: Cell| {
            if value != Cell::Empty {
                table.push(vec![key.into(), label.into(), value]);
            }
        };
        row("summary", "network", job.summary.clone().into());
        row("hash", "hash", job.hash.clone().into());
        row("parameters", "parameters", large(job.parameters));
        row("flops", "FLOPs", large(job.flops));
        row("generation", "generation", Cell::Count(job.generation.into()));
        row("seed", "seed", job.seed.into());
        row("mode", "decisions", mode_in_words(&job.mode).into());
        row("state", "state", job.state.clone().into());
        row("epochs", "epochs trained", Cell::number(job.epochs, decimals(self.citation.interval)));
        row("max_epochs", "epochs of a full training", Cell::Number(job.max_epochs, 0));
        row("seconds", "device time", job.seconds.filter(|s| *s > 0.0).map_or(Cell::Empty, Cell::Seconds));
        row("fitness", "fitness, %", Cell::two(job.fitness));
        row("fitness_source", "known by", job.fitness_source.clone().into());
        row(
            "stop_epoch",
            "first decision to stop or to set aside at epoch",
            Cell::number(job.stop_epoch, decimals(self.citation.interval)),
        );
        row("stop_prediction", "predicted there, %", Cell::two(job.stop_prediction));
        let resumed = self.attempts.iter().filter(|a| a.chance.is_some() && a.first_step.is_some()).count();
        if resumed > 0 {
            row("resumed", "taken up again, so many times", Cell::Count(resumed as i64));
        }
        let repeated: i32 = self.attempts.iter().filter_map(|a| a.repeated).sum();
        if repeated > 0 {
            row("intervals_repeated", "intervals trained again", Cell::Count(repeated.into()));
        }
        row("true_fitness", "true final accuracy, %", Cell::two(job.true_fitness));
        row("best_fitness", "best observed, %", Cell::two(job.best_fitness));
        row("finished_at", "ended (UTC)", job.finished_at.map_or(Cell::Empty, Cell::Time));
        row("error", "error", job.error.clone().into());
        table
    }

    fn curve_table(&self) -> Table {
        let columns = [
            ("step", ""),
            ("epoch", "#epoch"),
            ("val_acc", "#validation, %"),
            ("train_acc", "#training, %"),
            ("val_loss", "~#validation loss"),
            ("train_loss", "~#training loss"),
            ("seconds", "~#time"),
            ("prediction", "#predicted, %"),
            ("interval_80", "#80 % interval"),
            ("interval_90", "~#90 % interval"),
            ("decision", "decision"),
            ("reason", "why"),
            ("recorded_at", ""),
        ];
        let mut table = Table::new(
            "curve",
            format!("Job {}: its curve and what the predictor said", self.job.job_id),
            &columns,
        );
        for o in &self.curve {
            table.push(vec![
                Cell::Count(o.step.into()),
                Cell::Number(o.epoch, decimals(self.citation.interval)),
                Cell::Number(o.val_acc, 2),
                Cell::two(o.train_acc),
                Cell::number(o.val_loss, 4),
                Cell::number(o.train_loss, 4),
                o.seconds.map_or(Cell::Empty, Cell::Seconds),
                Cell::two(o.prediction),
                Cell::Interval(o.low_80.zip(o.high_80), 2),
                Cell::Interval(o.low_90.zip(o.high_90), 2),
                o.decision.clone().into(),
                o.reason.clone().into(),
                Cell::Time(o.recorded_at),
            ]);
        }
        table
    }

    fn attempt_table(&self) -> Table {
        let columns = [
            ("fence", "#fence"),
            ("host", "host"),
            ("device", "device"),
            ("worker_id", "~worker"),
            ("started_at", "claimed (UTC)"),
            ("first_step", "#from step"),
            ("repeated", "~#trained again"),
            ("chance", "~#taken up for a chance of, %"),
            ("seconds", "#held"),
            ("end", "end"),
            ("error", "error"),
        ];
        let mut table = Table::new("attempts", "Claims of the job", &columns);
        for a in &self.attempts {
            let held = a.ended_at.map(|end| (end - a.started_at).num_milliseconds() as f64 / 1e3);
            table.push(vec![
                a.fence.into(),
                a.host.clone().into(),
                a.device.clone().into(),
                a.worker_id.get(..8).unwrap_or(&a.worker_id).into(),
                Cell::Time(a.started_at),
                a.first_step.map(i64::from).into(),
                a.repeated.filter(|steps| *steps > 0).map(i64::from).into(),
                Cell::number(a.chance.map(|chance| 100.0 * chance), 1),
                held.map_or(Cell::Empty, Cell::Seconds),
                a.ending.clone().unwrap_or_else(|| "running".to_owned()).into(),
                a.error.clone().into(),
            ]);
        }
        table
    }

    fn figure(&self) -> Option<Figure> {
        self.curve.first()?;
        let job = &self.job;
        let line = |f: &dyn Fn(&Observed) -> Option<f64>| -> Vec<(f64, f64)> {
            self.curve.iter().filter_map(|o| Some((o.epoch, f(o)?))).collect()
        };
        let (validation, training, predicted) =
            (line(&|o| Some(o.val_acc)), line(&|o| o.train_acc), line(&|o| o.prediction));
        // A fit through three points may predict anything: the axis is that of the accuracies.
        let shown: Vec<_> = predicted.into_iter().filter(|p| (-5.0..=105.0).contains(&p.1)).collect();
        let whiskers: Vec<_> = self
            .curve
            .iter()
            .filter_map(|o| Some((o.epoch, o.low_80?.max(0.0), o.high_80?.min(100.0))))
            .collect();
        let stop: Vec<_> = self
            .curve
            .iter()
            .filter(|o| Some(o.epoch) == job.stop_epoch)
            .map(|o| (o.epoch, o.val_acc))
            .collect();
        let truth = job.true_fitness.map_or(vec![], |t| vec![(0.0, t), (job.max_epochs, t)]);
        let all = [&validation, &training, &shown].into_iter().flatten().map(|p| p.1);
        let all = all.chain(whiskers.iter().flat_map(|w| [w.1, w.2])).collect::<Vec<_>>();
        let lines = |points: Vec<(f64, f64)>| if points.is_empty() { vec![] } else { vec![points] };
        Some(Figure {
            key: "job",
            title: format!("Job {}: its curve and its predictions", job.job_id),
            caption: "Accuracy after each interval, and at each the final accuracy that was predicted then, with its 80 % \
                      interval. Predictions far below 0 or above 100 % are in the table alone."
                .to_owned(),
            x: Axis { label: "epoch".into(), low: 0.0, high: job.max_epochs * 1.01 },
            y: Axis::around("accuracy, %", all.into_iter()).within(0.0, 105.0),
            layers: vec![
                Layer::new("true final accuracy", Ink::Quiet, Marks::Dashes(truth)),
                Layer::new("training", Ink::Quiet, Marks::Lines(lines(training))),
                Layer::new("validation", Ink::Blue, Marks::Lines(lines(validation))),
                Layer::new("80 % interval", Ink::Green, Marks::Whiskers(whiskers)).opacity(0.6),
                Layer::new("predicted final accuracy", Ink::Green, Marks::Crosses(shown)),
                Layer::new("first decision to stop or to set aside", Ink::Vermilion, Marks::Dots(stop)),
            ],
            numbers: Table::default(),
        })
    }

    fn sections(&self) -> Vec<Section> {
        let job = &self.job;
        let section = Section::new(format!("Job {}", job.job_id)).table(self.facts());
        let curve = Section::new("Curve and predictions").figure(self.figure()).table(self.curve_table());
        let attempts = Section::new("Attempts").table(self.attempt_table());
        vec![section, curve, attempts]
    }
}

fn mode_in_words(mode: &str) -> &'static str {
    match mode {
        "terminate" => "obeyed",
        "observe" => "recorded, not obeyed: the search only observes",
        "audit" => "recorded, not obeyed: drawn to be trained to the end",
        "promoted" => "no longer obeyed: promoted to the full budget",
        _ => "unknown",
    }
}

impl Report for JobReport {
    fn document(&self) -> Document {
        let citations = vec![self.citation.clone()];
        Document { title: "job", primary: "curve", citations, highlights: vec![], sections: self.sections() }
    }
}
