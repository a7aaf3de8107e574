//! One screen: what ran, what it saved, how good the predictions were, the best networks.

use diesel::{PgConnection, QueryableByName, RunQueryDsl as _, sql_types};
use serde::Serialize;

use crate::agreement::Agreement;
use crate::attempts::Attempts;
use crate::basis::Basis;
use crate::cell::{Cell, fixed};
use crate::document::{Document, Section};
use crate::epochs::{Epochs, decimals};
use crate::known::{Known, Truth, drawn_and_chosen};
use crate::output::Report;
use crate::precision::{Precision, validation_images};
use crate::scope::{Scope, failed, snapshot};
use crate::table::{Fact, Table};
use crate::tally::{OutcomeCount, Tally};
use crate::timing::Timing;
use crate::{Citation, Filter, ReportError};

/// A search in one screen.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// What it is cited by.
    pub citation: Citation,
    /// Jobs by state.
    pub outcomes: Vec<OutcomeCount>,
    /// Epochs trained and saved.
    pub epochs: Epochs,
    /// In per cent of training all to the end.
    pub epochs_saved_percent: Option<f64>,
    /// Of a search that observes: what a terminating one would have saved.
    pub would_have_saved_percent: Option<f64>,
    /// From what it is known which jobs a terminating search stops.
    pub terminating: Basis,
    /// Restarts, and the time that workers held the jobs.
    pub attempts: Attempts,
    /// From how many jobs the truth is known.
    pub truth: Truth,
    /// Predicted against true, over the jobs that were drawn or observed.
    pub drawn: Agreement,
    /// The same over those promoted for their prediction.
    pub promoted: Agreement,
    /// Wall time and workers.
    pub timing: Timing,
    /// How exact the best measured accuracy is, where that is known.
    pub precision: Option<Precision>,
    /// The ten best networks.
    pub best: Vec<Network>,
}

/// One of the best networks.
#[derive(Clone, Debug, PartialEq, Serialize, QueryableByName)]
pub struct Network {
    /// Number of the job.
    #[diesel(sql_type = sql_types::BigInt)]
    pub job_id: i64,
    /// How it ended.
    #[diesel(sql_type = sql_types::Text)]
    pub outcome: String,
    /// What the search ranks by, in per cent.
    #[diesel(sql_type = sql_types::Double)]
    pub fitness: f64,
    /// measured, predicted, or observed.
    #[diesel(sql_type = sql_types::Text)]
    pub fitness_source: String,
    /// Lower end of the 80 % interval of a prediction.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    pub low_80: Option<f64>,
    /// Upper end of it.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    pub high_80: Option<f64>,
    /// Binomial standard error of an accuracy that was observed, in points; none where the number of images is not known.
    #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
    pub standard_error: Option<f64>,
    /// Epochs trained.
    #[diesel(sql_type = sql_types::Double)]
    pub epochs: f64,
    /// Trainable parameters.
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    pub parameters: Option<i64>,
    /// Floating-point operations of one forward pass.
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    pub flops: Option<i64>,
    /// The genome in one line.
    #[diesel(sql_type = sql_types::Text)]
    pub summary: String,
}

/// A search in one screen. `workers`: how many a terminating search has, which is simulated where this one observes.
///
/// # Errors
/// If there is no such search, or the database does not answer.
pub fn summary(
    conn: &mut PgConnection,
    search: &str,
    filter: &Filter,
    workers: usize,
) -> Result<Summary, ReportError> {
    snapshot(conn, |conn| {
        let scope = Scope::open(conn, search, filter)?;
        let basis = Basis::load(conn, &scope, workers)?;
        let (known, tally) = (basis.of(Known::load(conn, &scope)?), Tally::load(conn, &scope)?);
        let (drawn, chosen) = drawn_and_chosen(&known);
        let of = |known| Agreement::of(known, scope.max_epochs(), &basis);
        let (drawn, chosen) = (of(drawn), of(chosen));
        Ok(Summary::load(conn, &scope, &tally, basis)?.judged(drawn, chosen))
    })
}

impl Summary {
    /// All but the agreement of what was predicted with what is true.
    pub(crate) fn load(
        conn: &mut PgConnection,
        scope: &Scope<'_>,
        tally: &Tally,
        basis: Basis,
    ) -> Result<Self, ReportError> {
        let epochs = tally.epochs(&basis);
        Ok(Self {
            citation: scope.citation.clone(),
            outcomes: tally.outcomes(),
            epochs_saved_percent: epochs.saved_percent(),
            would_have_saved_percent: epochs.would_have_saved_percent(),
            epochs,
            attempts: Attempts::load(conn, scope)?,
            terminating: basis,
            truth: tally.truth(),
            drawn: Agreement::default(),
            promoted: Agreement::default(),
            timing: Timing::load(conn, scope)?,
            precision: Precision::load(conn, scope)?,
            best: scope
                .query(include_str!("best.sql"))
                .bind::<sql_types::Nullable<sql_types::Double>, _>(
                    validation_images(&scope.spec).map(|images| images as f64),
                )
                .load(conn)
                .map_err(failed("best"))?,
        })
    }

    /// With the agreement over the jobs whose truth is known.
    pub(crate) fn judged(self, drawn: Agreement, promoted: Agreement) -> Self {
        Self { drawn, promoted, ..self }
    }

    /// Jobs with a learning curve that ended by itself, by the predictor, or by a loss that was not finite.
    pub(crate) fn trained(&self) -> i64 {
        let diverged = self.outcomes.iter().find(|o| o.state == "diverged");
        self.epochs.jobs + diverged.map_or(0, |o| o.jobs)
    }

    fn outcome_table(&self) -> Table {
        let columns = [
            ("state", "state"),
            ("jobs", "#jobs"),
            ("share", ""),
            ("bar", "~share"),
            ("epochs", "#epochs"),
            ("seconds", "#device time"),
        ];
        let mut table = Table::new("outcomes", "Jobs by state", &columns);
        let all: i64 = self.outcomes.iter().map(|o| o.jobs).sum();
        for outcome in &self.outcomes {
            let share = outcome.jobs as f64 / all.max(1) as f64;
            table.push(vec![
                outcome.state.clone().into(),
                outcome.jobs.into(),
                Cell::Number(share, 3),
                Cell::Bar(share),
                Cell::number(outcome.epochs, decimals(self.citation.interval)),
                outcome.seconds.filter(|s| *s > 0.0).map_or(Cell::Empty, Cell::Seconds),
            ]);
        }
        table
    }

    fn figures(&self) -> Table {
        let (e, converged) = (&self.epochs, self.epochs.converged_percent());
        let mut facts = e.facts(&self.terminating);
        facts.extend(self.attempts.facts(decimals(self.citation.interval)));
        let label = match &self.terminating {
            Basis::Decisions => "jobs with a decision to stop",
            Basis::Search => "jobs stopped for good",
            Basis::Simulated(_) | Basis::Unknown { .. } => "jobs that it would have stopped for good",
        };
        let known = !matches!(self.terminating, Basis::Unknown { .. });
        let converged = Cell::number(converged.filter(|_| known), 1);
        facts.push(Fact::new("converged_percent", label, converged, "%", e.jobs));
        let epoch = Cell::number(e.mean_stop_epoch, 1);
        facts.push(Fact::new("mean_stop_epoch", "mean epoch of that", epoch, "", e.converged));
        facts.extend(self.timing.facts(self.attempts.device_seconds.max(e.seconds_trained), e.jobs));
        Fact::table("figures", "Epochs and time", facts)
    }

    fn best_table(&self) -> Table {
        let columns = [
            ("rank", "#rank"),
            ("job_id", "#job"),
            ("fitness", "#fitness, %"),
            ("fitness_source", "known by"),
            ("interval_80", "#80 % interval"),
            ("standard_error", "#± standard error"),
            ("epochs", "#epochs"),
            ("parameters", "#parameters"),
            ("flops", "#FLOPs"),
            ("summary", "network"),
        ];
        let mut table = Table::new("best", "The best networks by what the search ranks by", &columns);
        let large = |count: Option<i64>| count.map_or(Cell::Empty, |n| Cell::Large(n as f64));
        for (at, network) in self.best.iter().enumerate() {
            table.push(vec![
                Cell::Count(at as i64 + 1),
                Cell::Id(network.job_id),
                Cell::Number(network.fitness, 2),
                network.fitness_source.clone().into(),
                Cell::Interval(network.low_80.zip(network.high_80), 2),
                Cell::two(network.standard_error),
                Cell::Number(network.epochs, decimals(self.citation.interval)),
                large(network.parameters),
                large(network.flops),
                network.summary.clone().into(),
            ]);
        }
        table
    }

    /// What most readers look for, beside the name.
    pub(crate) fn highlights(&self) -> Vec<(String, String)> {
        let mut highlights = Vec::new();
        let obeyed = self.epochs.terminated > 0;
        let (saved, what) = if obeyed {
            (self.epochs_saved_percent, "of the epochs saved")
        } else {
            (self.would_have_saved_percent, "of the epochs would have been saved")
        };
        highlights.extend(
            saved.filter(|_| self.epochs.jobs > 0).map(|s| (format!("{} %", fixed(s, 1)), what.to_owned())),
        );
        if let Some(best) = self.best.first() {
            highlights.push((
                format!("{} %", fixed(best.fitness, 2)),
                format!("best fitness, {}", best.fitness_source),
            ));
        }
        let over = format!("over {} networks", self.drawn.jobs);
        if self.drawn.undecided().is_some() {
            return highlights;
        }
        let m = &self.drawn.measures;
        highlights.extend(
            m.spearman.map(|s| (fixed(s, 2), format!("rank correlation, predicted and true, {over}"))),
        );
        highlights.extend(
            m.overlap_10.map(|o| {
                (format!("{} %", fixed(100.0 * o, 0)), format!("of the true top 10 % kept, {over}"))
            }),
        );
        highlights
    }

    pub(crate) fn sections(&self) -> Vec<Section> {
        let predicted = self.best.iter().filter(|n| n.fitness_source == "predicted").count();
        let all = if predicted == self.best.len() { "All".to_owned() } else { format!("{predicted} of") };
        let unproven = (predicted > 0).then(|| {
            format!(
                "{all} these {} were stopped early: their fitness is a prediction, not a measurement.",
                self.best.len()
            )
        });
        let agreement = Section::new("Predicted against true")
            .note(self.truth.sentence())
            .note_if(self.terminating.sentence())
            .table(Fact::table("agreement", "Predicted against true final accuracy", self.drawn.facts()))
            .table(Fact::table(
                "agreement_promoted",
                "The same over the resumed and promoted jobs alone",
                self.promoted.facts(),
            ));
        vec![
            Section::new("Outcomes of the jobs").table(self.outcome_table()).table(self.figures()),
            agreement,
            Section::new("Best networks")
                .note_if(unproven)
                .note_if(self.precision.map(|precision| precision.sentence()))
                .table(self.best_table()),
        ]
    }
}

impl Report for Summary {
    fn document(&self) -> Document {
        let citations = vec![self.citation.clone()];
        Document {
            title: "summary",
            primary: "figures",
            citations,
            highlights: self.highlights(),
            sections: self.sections(),
        }
    }
}
