//! What a search tries next, from its strategy into the queue.

use std::{borrow::Borrow, collections::HashSet, sync::PoisonError};

use diesel::PgConnection;
use domain::SearchId;
use genome::Genome;
use predictor::Mode;
use rand::SeedableRng as _;
use store::{
    Stepwise,
    job::JobMode,
    search::{self, EnqueueParams, Enqueued, NewJob, NewSearch, SearchState, Source, SubmitError},
};
use strategy::{Evaluated, Evaluation, Proposal, Search, Strategy};

use crate::{Populations, ProposalError, Spec};

/// The first jobs of a search: the architectures `given`, in their order, and what the strategy adds to them.
///
/// # Errors
/// [`ProposalError::Genome`] for a network that cannot be built.
pub fn first_jobs(spec: &Spec, given: Vec<Genome>) -> Result<Vec<NewJob>, ProposalError> {
    let input = spec.input();
    let pending = |(i, genome): (usize, &Genome)| {
        Ok(Evaluated {
            id: i as i64,
            genome: genome.clone(),
            generation: 0,
            parents: vec![],
            evaluation: Evaluation::Pending,
            cost: genome.cost(input)?,
        })
    };
    let population = given.iter().enumerate().map(pending).collect::<Result<Vec<_>, ProposalError>>()?;
    let known = population.iter().map(|member| member.genome.hash()).collect();
    let mut proposals: Vec<Proposal> = given.into_iter().map(brought).collect();
    proposals.extend(spec.strategy.propose(&frame(spec), &population, &known));
    jobs(spec, 0, proposals)
}

fn brought(genome: Genome) -> Proposal {
    Proposal { genome, generation: 0, parents: vec![] }
}

/// Adds architectures from outside to a search, whatever its strategy proposes; those that it has are left alone. Returns
/// how many were added. They are added in batches: once more is the same as once.
///
/// # Errors
/// [`ProposalError::Genome`] for a network that cannot be built, and those of the database.
pub fn add(
    conn: &mut impl Stepwise,
    search_id: SearchId,
    spec: &Spec,
    given: &[Genome],
) -> Result<usize, ProposalError> {
    let mut added = 0;
    for batch in given.chunks(search::CHUNK) {
        added += loop {
            // In this order: what is added in between makes the batch be chosen anew.
            let seen = conn.step(|conn| search::last_job(conn, search_id))?;
            let known = conn.step(|conn| search::hashes(conn, search_id))?;
            let known: HashSet<String> = known.into_iter().collect();
            let new = batch.iter().filter(|genome| !known.contains(&genome.hash().to_string()));
            let jobs = jobs(spec, known.len(), new.cloned().map(brought).collect())?;
            let source = Source::Outside { seen };
            let Enqueued { state, added } =
                conn.step(|conn| search::enqueue(conn, &params(search_id, spec), source, &jobs))?;
            match added {
                Some(added) => break added as usize,
                None if state == SearchState::Cancelled => {
                    return Err(ProposalError::Cancelled { search: spec.name.clone() });
                }
                None => {}
            }
        };
    }
    Ok(added)
}

fn params(search_id: SearchId, spec: &Spec) -> EnqueueParams<'_> {
    EnqueueParams { search_id, seed: spec.strategy.seed() as i64, class: &spec.class }
}

/// Writes a search and its first jobs, all or nothing; `by` is who submits it. Returns its id and the number of jobs.
///
/// # Errors
/// [`SubmitError::NameTaken`] if there is one of this name.
pub fn submit(
    conn: &mut PgConnection,
    spec: &Spec,
    jobs: impl IntoIterator<Item: Borrow<NewJob>>,
    by: Option<String>,
) -> Result<(SearchId, usize), SubmitError> {
    let new = NewSearch {
        name: spec.name.clone(),
        spec: spec.to_json(),
        spec_hash: spec.hash(),
        engine: spec.predictor.engine.to_string(),
        max_epochs: spec.budget.max_epochs,
        interval: spec.budget.interval,
        budget: i32::try_from(spec.budget.jobs).unwrap_or(i32::MAX),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        proposing: proposes_later(spec),
        priority: i16::try_from(spec.search.priority)
            .expect("a checked specification has a priority of 16 bits"),
        max_running: spec.search.max_running,
        submitted_by: by,
    };
    search::submit(conn, &new, spec.strategy.seed() as i64, &spec.class, jobs)
}

/// Lets the strategy of a search that runs or is paused propose what comes next, and enqueues it. Returns how many jobs were
/// added. To be called after each ending, and by idle workers for an ending whose worker died before it could: a proposal
/// looks at the whole search, so one call answers all endings before it. Of the search it reads what is new to `populations`.
///
/// The strategy thinks without a lock. Where others have added to the search meanwhile, it thinks again of what there is then.
///
/// # Errors
/// Those of the database, and a stored genome that is not understood.
pub fn propose(
    conn: &mut impl Stepwise,
    search_id: SearchId,
    spec: &Spec,
    populations: &Populations,
) -> Result<usize, ProposalError> {
    if !proposes_later(spec) {
        return Ok(0);
    }
    // The slots of a process think one after the other.
    let population = populations.of(search_id);
    let mut population = population.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if !conn.step(|conn| search::takes_proposals(conn, search_id))? {
            populations.forget(search_id);
            return Ok(0);
        }
        population.refresh(conn, search_id)?;
        let members = &population.members;
        let proposals = spec.strategy.propose(&frame(spec), members, &population.known);
        let jobs = jobs(spec, members.len(), proposals)?;
        let is_last = members.len() + jobs.len() >= spec.budget.jobs as usize;
        if jobs.is_empty() && !is_last {
            return Ok(0);
        }
        let source = Source::Strategy { seen: population.last_job, is_last };
        let Enqueued { added, .. } =
            conn.step(|conn| search::enqueue(conn, &params(search_id, spec), source, &jobs))?;
        if let Some(added) = added {
            return Ok(added as usize);
        }
    }
}

/// Random search and a given list propose all when the search is submitted; the others learn from what ends.
fn proposes_later(spec: &Spec) -> bool {
    !matches!(spec.strategy, Strategy::Random(_) | Strategy::Given(_))
}

fn frame(spec: &Spec) -> Search<'_> {
    Search { space: &spec.space, input: spec.input(), budget: spec.budget.jobs as usize }
}

fn jobs(spec: &Spec, first: usize, proposals: Vec<Proposal>) -> Result<Vec<NewJob>, ProposalError> {
    let input = spec.input();
    let audits = Audits::new(spec);
    let job = |(i, proposal): (usize, Proposal)| {
        let cost = proposal.genome.cost(input)?;
        Ok(NewJob {
            hash: proposal.genome.hash().to_string(),
            summary: proposal.genome.summary(),
            genome: serde_json::to_value(&proposal.genome).expect("a genome has only strings as keys"),
            parameters: column(cost.parameters),
            flops: column(cost.flops),
            generation: proposal.generation as i32,
            parents: proposal.parents,
            mode: audits.mode(first + i),
            priority: 0,
        })
    };
    proposals.into_iter().enumerate().map(job).collect()
}

/// A count as the database holds it; the largest it can for networks that nobody can train.
fn column(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Which jobs are trained to the end whatever is decided: a share `audit` of them, one at a random place in each run of
/// `1 / audit`, so that every part of the search is measured.
struct Audits {
    mode: Mode,
    share: f64,
    offset: f64,
}

impl Audits {
    fn new(spec: &Spec) -> Self {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(spec.strategy.seed() ^ 0x61_75_64_69_74);
        let offset = rand::RngExt::random::<f64>(&mut rng);
        Self { mode: spec.predictor.mode, share: spec.predictor.audit, offset }
    }

    fn mode(&self, index: usize) -> JobMode {
        let passed = |i: usize| (i as f64 * self.share + self.offset).floor();
        match self.mode {
            Mode::Observe => JobMode::Observe,
            Mode::Terminate if passed(index + 1) > passed(index) => JobMode::Audit,
            Mode::Terminate => JobMode::Terminate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audits(mode: Mode, share: f64, jobs: usize) -> usize {
        let audits = Audits { mode, share, offset: 0.37 };
        (0..jobs).filter(|i| audits.mode(*i) == JobMode::Audit).count()
    }

    #[test]
    fn absurd_networks_keep_their_size() {
        assert_eq!([7, u64::MAX].map(column), [7, i64::MAX]);
    }

    #[test]
    fn audits_are_the_share_asked_for() {
        for (share, jobs, expected, why) in [
            (0.1, 100, 10, "a tenth"),
            (0.0, 100, 0, "none"),
            (1.0, 10, 10, "all"),
            (0.25, 12, 3, "a quarter of few"),
        ] {
            assert_eq!(audits(Mode::Terminate, share, jobs), expected, "{why}");
        }
        assert_eq!(audits(Mode::Observe, 0.5, 10), 0, "an observing search trains all to the end anyway");
    }
}
