//! The events of a simulated search: who starts, observes, is frozen, ends, and what is proposed then.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};

use predictor::{Target, replay::Recorded};

use crate::{Decision, Ledger, LedgerError, Next, Scheduler, SchedulerError, State, Verdict};

/// How a search is simulated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Setup {
    /// Slots that train at the same time; at least 1.
    pub workers: usize,
    /// How many intervals it takes to take up a frozen job: its checkpoint is fetched and unpacked.
    pub restart: usize,
    /// The full budget and the interval.
    pub target: Target,
}

/// Why a search cannot be simulated.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SimulationError {
    /// A curve that is damaged or empty.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The scheduler cannot answer.
    #[error(transparent)]
    Scheduler(#[from] SchedulerError),
    /// A recorded curve without a point up to the target epoch.
    #[error("job {0} has no observation up to the target epoch")]
    Empty(i64),
}

/// Where the jobs of a search come from that are not all there from the beginning.
pub trait Proposals {
    /// What to add to the queue, in order, after these jobs have ended, each with its fitness: measured, or what was predicted
    /// after its last observation. A frozen job has not ended.
    fn propose(&mut self, ended: &[(i64, f64)]) -> Vec<Recorded>;
}

/// A slot that trains.
#[derive(Clone, Copy)]
struct Slot {
    at: usize,
    /// Intervals until it has fetched its checkpoint.
    pause: usize,
}

/// A search that is simulated.
pub(crate) struct Play<'a> {
    pub setup: Setup,
    pub ledger: Ledger,
    pub jobs: Vec<Cow<'a, Recorded>>,
    /// Points of each up to the target.
    pub lengths: Vec<usize>,
    pub verdicts: Vec<Vec<Verdict>>,
    /// Intervals so far.
    pub time: usize,
    /// Those that were not started.
    pub waiting: VecDeque<usize>,
    place: HashMap<i64, usize>,
    slots: Vec<Option<Slot>>,
    /// Intervals trained so far, by all slots.
    trained: usize,
    proposals: Option<&'a mut dyn Proposals>,
}

impl<'a> Play<'a> {
    /// A search that has not begun, with jobs that wait in the order given.
    pub fn new(
        setup: Setup,
        jobs: impl IntoIterator<Item = Cow<'a, Recorded>>,
        proposals: Option<&'a mut dyn Proposals>,
    ) -> Result<Self, SimulationError> {
        let mut play = Self {
            setup,
            ledger: Ledger::default(),
            jobs: Vec::new(),
            lengths: Vec::new(),
            verdicts: Vec::new(),
            time: 0,
            place: HashMap::new(),
            waiting: VecDeque::new(),
            slots: vec![None; setup.workers.max(1)],
            trained: 0,
            proposals,
        };
        for job in jobs {
            play.add(job)?;
        }
        play.propose(&[])?;
        Ok(play)
    }

    fn add(&mut self, job: Cow<'a, Recorded>) -> Result<(), SimulationError> {
        let target = self.setup.target;
        let length = job.curve.iter().filter(|o| target.step(o.epoch) <= target.steps()).count();
        if length == 0 {
            return Err(SimulationError::Empty(job.job));
        }
        let at = self.jobs.len();
        self.place.insert(job.job, at);
        self.waiting.push_back(at);
        self.ledger.set_waiting(self.waiting.len());
        self.jobs.push(job);
        self.lengths.push(length);
        self.verdicts.push(Vec::new());
        Ok(())
    }

    /// Lets the search go on until nothing is left to do, or so many intervals were trained.
    pub fn run(&mut self, scheduler: &mut dyn Scheduler, budget: usize) -> Result<(), SimulationError> {
        while self.trained < budget {
            self.fill(scheduler)?;
            if self.slots.iter().all(Option::is_none) {
                if !self.end_unfinished(scheduler)? {
                    break;
                }
                continue;
            }
            self.time += 1;
            for at in 0..self.slots.len() {
                self.advance(scheduler, at)?;
            }
        }
        Ok(())
    }

    /// Gives jobs to the free slots.
    fn fill(&mut self, scheduler: &mut dyn Scheduler) -> Result<(), SimulationError> {
        for at in 0..self.slots.len() {
            if self.slots[at].is_some() {
                continue;
            }
            if self.awaits_proposals() {
                break;
            }
            let (job, pause) = match scheduler.next(&self.ledger)? {
                Next::Start => (self.waiting.pop_front().expect("a job that waits"), 0),
                Next::Resume(job) => (self.place[&job], self.setup.restart),
                Next::Wait | Next::Done => break,
            };
            self.ledger.start(self.jobs[job].job, self.jobs[job].cost);
            self.ledger.set_waiting(self.waiting.len());
            self.slots[at] = Some(Slot { at: job, pause });
        }
        Ok(())
    }

    /// As in a live search: with nothing to start nothing is taken up, either, while the end of a job that was never frozen may
    /// lead to a proposal.
    fn awaits_proposals(&self) -> bool {
        let first =
            |slot: &Slot| self.ledger.job(self.jobs[slot.at].job).is_some_and(|job| job.resumed() == 0);
        self.proposals.is_some() && self.waiting.is_empty() && self.slots.iter().flatten().any(first)
    }

    /// Trains a slot for one interval.
    fn advance(&mut self, scheduler: &mut dyn Scheduler, slot: usize) -> Result<(), SimulationError> {
        let Some(Slot { at, pause }) = &mut self.slots[slot] else { return Ok(()) };
        if *pause > 0 {
            *pause -= 1;
            return Ok(());
        }
        let (at, job) = (*at, self.jobs[*at].job);
        let points = self.ledger.job(job).map_or(0, |entry| entry.curve().points().len());
        self.ledger.observe(job, self.jobs[at].curve[points])?;
        self.trained += 1;
        if points + 1 == self.lengths[at] {
            self.slots[slot] = None;
            return self.settle(scheduler, at, State::Completed);
        }
        scheduler.learn(&self.ledger, job)?;
        let verdict = scheduler.decide(&self.ledger, job, true)?;
        let state = match verdict.decision {
            Decision::Continue => None,
            Decision::Freeze => Some(State::Frozen),
            Decision::Stop => Some(State::Stopped),
        };
        self.verdicts[at].push(verdict);
        let Some(state) = state else { return Ok(()) };
        self.slots[slot] = None;
        self.settle(scheduler, at, state)
    }

    fn settle(
        &mut self,
        scheduler: &mut dyn Scheduler,
        at: usize,
        state: State,
    ) -> Result<(), SimulationError> {
        let job = self.jobs[at].job;
        self.ledger.settle(job, state)?;
        scheduler.learn(&self.ledger, job)?;
        if state == State::Frozen { Ok(()) } else { self.propose(&[(job, self.fitness(at))]) }
    }

    /// What a job that has ended is worth to whoever proposes.
    fn fitness(&self, at: usize) -> f64 {
        let entry = self.ledger.job(self.jobs[at].job).expect("a job that was started");
        let predicted = self.verdicts[at].last().and_then(|verdict| verdict.prediction);
        let measured = entry.last().expect("a job with an observation");
        predicted.filter(|_| entry.state() != State::Completed).map_or(measured, |p| p.fitness)
    }

    fn propose(&mut self, ended: &[(i64, f64)]) -> Result<(), SimulationError> {
        let Some(proposals) = &mut self.proposals else { return Ok(()) };
        proposals.propose(ended).into_iter().try_for_each(|job| self.add(Cow::Owned(job)))
    }

    /// Where jobs are proposed: ends what is frozen and what was interrupted. Whether there is something to do then.
    pub fn end_unfinished(&mut self, scheduler: &mut dyn Scheduler) -> Result<bool, SimulationError> {
        if self.proposals.is_none() {
            return Ok(false);
        }
        let jobs = self.ledger.jobs().filter(|(_, job)| job.last().is_some());
        let unfinished = jobs.filter(|(_, job)| matches!(job.state(), State::Frozen | State::Running));
        let unfinished: Vec<i64> = unfinished.map(|(job, _)| job).collect();
        let mut ended = Vec::with_capacity(unfinished.len());
        for job in unfinished {
            self.ledger.settle(job, State::Stopped)?;
            scheduler.learn(&self.ledger, job)?;
            ended.push((job, self.fitness(self.place[&job])));
        }
        if !ended.is_empty() {
            self.propose(&ended)?;
        }
        Ok(!self.waiting.is_empty())
    }
}
