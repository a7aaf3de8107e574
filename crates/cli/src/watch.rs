//! `peng search watch`: one bar for the search, one for each job that trains. Off a terminal, a line per finished job.

use std::{
    collections::HashMap,
    io::IsTerminal as _,
    thread,
    time::{Duration, Instant},
};

use domain::JobId;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use store::{
    BoundedConnection, Stepwise as _,
    job::{self, JobRow, JobState},
    search::{self as searches, Progress, Search, SearchState},
    worker as workers,
};

use crate::{exit::Exit, output::percent};

/// How often the database is asked.
const REFRESH: Duration = Duration::from_millis(500);

/// Share of the epochs that the ended jobs did not need to train.
pub fn saved_percent(progress: &Progress) -> Option<f64> {
    let all = progress.epochs_trained + progress.epochs_saved;
    (all > 0.0).then(|| 100.0 * progress.epochs_saved / all)
}

/// Follows a search until it is finished or cancelled.
pub fn follow(
    conn: &mut BoundedConnection,
    search: &Search,
    timeout: Option<Duration>,
) -> anyhow::Result<Exit> {
    let start = Instant::now();
    let mut screen = Screen::new(search);
    let class = search.spec["class"].as_str().unwrap_or_default();
    loop {
        let progress = conn.step(|conn| searches::progress(conn, Some(&search.name), true))?.pop();
        let Some(progress) = progress else { anyhow::bail!("search `{}` has been removed", search.name) };
        let running = conn.step(|conn| job::list(conn, Some(search.id), &[JobState::Running], None, 64))?;
        screen.draw(&progress, &running);
        if running.is_empty() && progress.open > 0 {
            screen.warn(conn.step(|conn| workers::nobody_can_train(conn, class))?);
        }
        // A worker marks a search finished a moment after its last job.
        let settled = progress.open + progress.running == 0
            && matches!(progress.state, SearchState::Finished | SearchState::Cancelled);
        if settled {
            screen.finish(&progress);
            return Ok(if progress.failed > 0 { Exit::SomeJobsFailed } else { Exit::Ok });
        }
        if timeout.is_some_and(|timeout| start.elapsed() >= timeout) {
            screen.finish(&progress);
            let seconds = start.elapsed().as_secs();
            stdio::message(format_args!("search {} is not finished after {seconds} s", search.name));
            return Ok(Exit::TimedOut);
        }
        thread::sleep(REFRESH);
    }
}

struct Screen {
    bars: MultiProgress,
    total: ProgressBar,
    jobs: HashMap<JobId, ProgressBar>,
    max_epochs: f64,
    said: i64,
    warned: Option<String>,
    live: bool,
}

impl Screen {
    fn new(search: &Search) -> Self {
        let live = std::io::stderr().is_terminal();
        let bars = MultiProgress::new();
        let total = bars.add(ProgressBar::new(0));
        total.set_style(style("{prefix:<18.bold} {bar:28.green/black} {pos:>4}/{len} jobs  {msg}"));
        total.set_prefix(search.name.clone());
        Self {
            bars,
            total,
            jobs: HashMap::new(),
            max_epochs: search.max_epochs,
            said: -1,
            warned: None,
            live,
        }
    }

    fn draw(&mut self, progress: &Progress, running: &[JobRow]) {
        if !self.live {
            return self.say(progress);
        }
        self.total.set_length(progress.jobs.max(i64::from(progress.budget).min(progress.jobs)) as u64);
        self.total.set_position(ended(progress) as u64);
        self.total.set_message(summary(progress));
        let gone: Vec<_> =
            self.jobs.keys().filter(|id| !running.iter().any(|job| job.id == **id)).copied().collect();
        for id in gone {
            if let Some(bar) = self.jobs.remove(&id) {
                bar.finish_and_clear();
                self.bars.remove(&bar);
            }
        }
        for job in running {
            let bar = self.jobs.entry(job.id).or_insert_with(|| {
                let bar = self.bars.add(ProgressBar::new((self.max_epochs * 1000.0) as u64));
                bar.set_style(style("  {prefix:<16} {bar:28.cyan/black} {msg}"));
                bar.set_prefix(format!("job {}", job.id));
                bar
            });
            bar.set_position((job.epoch.unwrap_or(0.0) * 1000.0) as u64);
            bar.set_message(format!(
                "epoch {:>4.1}/{}  {:>6} %  predicted {:>6} %  {}",
                job.epoch.unwrap_or(0.0),
                self.max_epochs,
                percent(job.val_acc),
                percent(job.prediction),
                job.host.as_deref().unwrap_or(""),
            ));
        }
    }

    fn say(&mut self, progress: &Progress) {
        let done = ended(progress);
        if done != self.said {
            self.said = done;
            let (name, jobs) = (&progress.name, progress.jobs);
            stdio::message(format_args!("{name}: {done}/{jobs} jobs  {}", summary(progress)));
        }
    }

    /// Says why nobody trains, once.
    fn warn(&mut self, why: Option<String>) {
        if let Some(why) = why.as_ref().filter(|why| self.warned.as_ref() != Some(why)) {
            self.bars.suspend(|| stdio::message(why));
        }
        self.warned = why;
    }

    fn finish(&mut self, progress: &Progress) {
        for (_, bar) in self.jobs.drain() {
            bar.finish_and_clear();
        }
        if self.live {
            self.draw(progress, &[]);
            self.total.abandon();
        }
    }
}

fn ended(progress: &Progress) -> i64 {
    progress.terminated + progress.completed + progress.other
}

fn summary(progress: &Progress) -> String {
    let saved = saved_percent(progress).map_or_else(String::new, |saved| {
        format!(
            "  epochs {:.0} trained, {:.0} saved ({saved:.0} %), {} restarts",
            progress.epochs_trained, progress.epochs_saved, progress.restarts
        )
    });
    let failed = if progress.failed > 0 { format!("  {} failed", progress.failed) } else { String::new() };
    let frozen = if progress.frozen > 0 { format!("  {} frozen", progress.frozen) } else { String::new() };
    format!("best {} %{saved}{frozen}{failed}", percent(progress.best))
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is constant and valid").progress_chars("━━╌")
}
