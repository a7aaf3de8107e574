//! `peng-exec-worker check`: a program against a scripted worker.

use std::{
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use domain::{Fence, JobId, TextReader};
use runner::{Advance, Interrupt, Measurement, Trainer as _};
use search::Spec;
use serde::Serialize;

use crate::{
    access::Access,
    backend::Exec,
    guard::Guard,
    patience::{Keep, Patience},
    program::Leave,
    session::Session,
    user::User,
};

/// Enough for a look at the program.
const SAMPLE: &str = "name = \"check\"\n[data]\nset = \"digits\"\n[space]\nkind = \"random-cnn\"\n\
                      [strategy]\nkind = \"random\"\n[budget]\njobs = 1\nmax_epochs = 3\n[predictor]\nengine = \"none\"\n";

/// What to run, and what it is told to train
#[derive(Debug, Args)]
pub struct Check {
    /// The search whose first job the program gets [default: a small network on the digits, 3 epochs]
    #[arg(long, value_name = "SPEC.toml")]
    spec: Option<PathBuf>,

    /// The genome it gets, instead of that of the search
    #[arg(long, value_name = "FILE.json")]
    genome: Option<PathBuf>,

    #[command(flatten)]
    patience: Patience,

    #[command(flatten)]
    access: Access,

    /// How findings are printed
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    output: Format,

    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    program: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Note,
    Failed,
}

#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    verdict: Verdict,
    text: String,
}

/// Runs all checks; exit code 1 if one failed.
pub fn run(check: &Check) -> anyhow::Result<ExitCode> {
    let findings = Script::new(check)?.play();
    let mut out = stdio::stdout();
    match check.output {
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(&findings)?)?,
        Format::Table => {
            for Finding { check, verdict, text } in &findings {
                let verdict = match verdict {
                    Verdict::Ok => "ok",
                    Verdict::Note => "note",
                    Verdict::Failed => "FAILED",
                };
                writeln!(out, "{verdict:<7} {check:<10} {}", text.replace('\n', "\n                   "))?;
            }
        }
    }
    let failed = findings.iter().any(|finding| finding.verdict == Verdict::Failed);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A worker without a database.
struct Script {
    exec: Exec,
    order: runner::Order,
    dir: tempfile::TempDir,
    findings: Vec<Finding>,
}

/// What a run has shown.
struct Run {
    points: Vec<Measurement>,
    /// The first checkpoint, packed.
    first: PathBuf,
    named: bool,
    leave: Leave,
    took: Duration,
}

impl Script {
    fn new(check: &Check) -> anyhow::Result<Self> {
        let spec = match &check.spec {
            Some(path) => Spec::read(path)?,
            None => Spec::parse(SAMPLE, "the built-in sample")?,
        };
        let genome = if let Some(path) = &check.genome {
            let mut text = String::new();
            TextReader::open(path)
                .and_then(|mut reader| reader.read_to_string(&mut text))
                .with_context(|| format!("cannot read `{}`", path.display()))?;
            genome::check_whole_numbers(&text)
                .with_context(|| format!("cannot use `{}` as a genome", path.display()))?;
            serde_json::from_str(&text).with_context(|| format!("`{}` is no JSON", path.display()))?
        } else {
            let job = search::first_jobs(&spec, vec![])?.into_iter().next();
            job.context("the search has no first job: give one of its networks by --genome")?.genome
        };
        let dir = tempfile::tempdir().context("cannot make a directory for the check")?;
        let recipe = check.patience.recipe(&check.program, &check.access)?;
        if recipe.user.is_some() {
            User::admit(dir.path()).context("cannot open the directory of the check")?;
        }
        let exec = Exec {
            recipe,
            guard: Guard::start().context("cannot start the guard of the programs")?,
            jobs: dir.path().to_owned(),
            keep: Keep::Never,
            log_limit: 1 << 20,
            slot: 0,
            device: None,
            leaving: Arc::default(),
        };
        let order = runner::Order {
            job_id: JobId(1),
            fence: Fence(0),
            seed: 1,
            genome,
            spec: spec.into(),
            steps_done: 0,
        };
        Ok(Self { exec, order, dir, findings: Vec::new() })
    }

    fn play(mut self) -> Vec<Finding> {
        self.find("environment", Verdict::Ok, self.exec.recipe.environment.describe());
        let steps = self.order.spec.target().steps();
        let Some(whole) = self.train("whole", steps.min(3), None, "trained to the end") else {
            return self.findings; // The rest would fail in the same way.
        };
        self.find(
            "whole",
            Verdict::Ok,
            format!("{} intervals, each observation in its turn", whole.points.len()),
        );
        self.judge_leave("stop", &whole);
        self.resume(&whole, steps);
        self.end_of_input();
        self.terminate();
        self.findings
    }

    fn find(&mut self, check: &'static str, verdict: Verdict, text: impl Into<String>) {
        self.findings.push(Finding { check, verdict, text: domain::for_people(&text.into()) });
    }

    fn open(&mut self, check: &'static str, resume: Option<&Path>) -> Option<Session> {
        self.order.fence.0 += 1;
        match self.exec.begin(&self.order, resume) {
            Ok(session) => Some(session),
            Err(failure) => {
                self.find(check, Verdict::Failed, failure.to_string());
                None
            }
        }
    }

    /// Trains some intervals, then says stop.
    fn train(&mut self, check: &'static str, steps: u32, resume: Option<&Path>, reason: &str) -> Option<Run> {
        let mut session = self.open(check, resume)?;
        let first = self.dir.path().join(format!("first-{}", self.order.fence));
        let mut points = Vec::new();
        for step in 1..=steps {
            match session.advance(&Interrupt::default()) {
                Ok(Advance::Measured(point)) => points.push(point),
                Ok(Advance::Interrupted) => {}
                Err(error) => {
                    self.find(check, Verdict::Failed, error.to_string());
                    return None;
                }
            }
            if step == 1
                && let Err(error) = session.save(&first)
            {
                self.find(check, Verdict::Failed, error.to_string());
                return None;
            }
        }
        if let Err(failure) = session.program.has_waited() {
            self.find(check, Verdict::Failed, failure.to_string());
            return None;
        }
        let named = session.checkpoint.is_some();
        let (start, grace) = (Instant::now(), self.exec.recipe.stop_grace);
        let leave = session.program.leave(reason, grace);
        Some(Run { points, first, named, leave, took: start.elapsed() })
    }

    fn judge_leave(&mut self, check: &'static str, run: &Run) {
        let grace = self.exec.recipe.stop_grace.as_secs_f64();
        let (verdict, text) = match run.leave {
            Leave::Itself(status) if status.success() => {
                (Verdict::Ok, format!("ended {:.1} s after `stop` with exit code 0", run.took.as_secs_f64()))
            }
            Leave::Itself(status) => {
                (Verdict::Failed, format!("after `stop` it ended with {status}, expected exit code 0"))
            }
            Leave::Terminated => {
                (Verdict::Failed, format!("still ran {grace} s after `stop`; ended by SIGTERM"))
            }
            Leave::Killed => {
                (Verdict::Failed, format!("still ran {grace} s after `stop`, ignored SIGTERM; killed"))
            }
        };
        self.find(check, verdict, text);
    }

    fn resume(&mut self, whole: &Run, steps: u32) {
        const CHECK: &str = "resume";
        if !whole.named {
            let text = "it names no checkpoint: a job that moves to another worker is trained from its start again, and none is set \
                 aside to be taken up later: stops are final";
            return self.find(CHECK, Verdict::Note, text);
        }
        if steps < 2 {
            return self.find(CHECK, Verdict::Note, "not tried: the search has a single interval");
        }
        self.order.steps_done = 1;
        let again = self.train(CHECK, 1, Some(&whole.first), "enough");
        self.order.steps_done = 0;
        let Some(again) = again else { return };
        let (old, new) = (whole.points[1].val_acc, again.points[0].val_acc);
        if old.to_bits() == new.to_bits() {
            self.find(CHECK, Verdict::Ok, format!("goes on exactly where it was: {new} % both times"));
        } else {
            let text =
                format!("goes on, but differently: {new} % where the uninterrupted training had {old} %");
            self.find(CHECK, Verdict::Note, text);
        }
    }

    /// The worker dies while the program waits: it must not stay behind.
    fn end_of_input(&mut self) {
        const CHECK: &str = "orphan";
        let Some(mut session) = self.open(CHECK, None) else { return };
        if let Err(error) = session.advance(&Interrupt::default()) {
            return self.find(CHECK, Verdict::Failed, error.to_string());
        }
        session.program.close();
        let grace = self.exec.recipe.stop_grace;
        if session.program.wait(grace).is_some() {
            self.find(CHECK, Verdict::Ok, "ends when its stdin ends");
        } else {
            let text = format!(
                "still ran {} s after its stdin had ended: it would outlive a dead worker",
                grace.as_secs_f64()
            );
            self.find(CHECK, Verdict::Failed, text);
        }
    }

    /// A cancelled job, in the middle of an interval.
    fn terminate(&mut self) {
        const CHECK: &str = "cancel";
        let Some(mut session) = self.open(CHECK, None) else { return };
        if let Err(error) = session.advance(&Interrupt::default()) {
            return self.find(CHECK, Verdict::Failed, error.to_string());
        }
        session.program.send(crate::protocol::Order::Continue);
        match session.program.leave("cancelled", Duration::ZERO) {
            Leave::Itself(_) | Leave::Terminated => self.find(CHECK, Verdict::Ok, "ends on SIGTERM"),
            Leave::Killed => self.find(CHECK, Verdict::Note, "ignores SIGTERM: it is killed 2 s later"),
        }
    }
}
