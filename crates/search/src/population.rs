//! The population of a search as its strategy sees it, kept between proposals: each reads only what is new.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use domain::{JobId, SearchId};
use genome::{Genome, GenomeHash};
use store::{
    Stepwise,
    finish::{self, Cursor},
    search::{self, Member},
};
use strategy::{Evaluated, Evaluation};

use crate::ProposalError;

/// The populations of the searches that one process proposes for.
#[derive(Debug, Default)]
pub struct Populations(Mutex<HashMap<SearchId, Arc<Mutex<Population>>>>);

impl Populations {
    pub(crate) fn of(&self, search: SearchId) -> Arc<Mutex<Population>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(search).or_default())
    }

    /// Frees the memory of one that nothing more is proposed for.
    pub(crate) fn forget(&self, search: SearchId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&search);
    }
}

/// All architectures of a search, in the order of proposal, with what came of them.
#[derive(Debug, Default)]
pub(crate) struct Population {
    pub members: Vec<Evaluated>,
    pub known: HashSet<GenomeHash>,
    /// The newest job; 0 before the first.
    pub last_job: JobId,
    place: HashMap<JobId, usize>,
    seen: Cursor,
}

impl Population {
    /// Reads what was added and what has ended since. Nothing is locked: whoever adds to the search afterwards says which job was
    /// the newest one here.
    ///
    /// # Errors
    /// Those of the database, and a stored genome that is not understood.
    pub fn refresh(&mut self, conn: &mut impl Stepwise, search: SearchId) -> Result<(), ProposalError> {
        // Steps of their own: what numbers endings keeps others from it until its transaction ends.
        let mut endings = conn.step(|conn| finish::since(conn, search, self.seen))?;
        if endings.is_none() {
            // A fail-over or a restore has lost what was read.
            *self = Self::default();
            endings = conn.step(|conn| finish::since(conn, search, self.seen))?;
        }
        let endings = endings.unwrap_or_default();
        for ending in &endings {
            if let Some(&place) = self.place.get(&ending.job_id) {
                self.members[place].evaluation = evaluation(true, ending.fitness);
            }
        }
        // With what has come of the new ones by now: their endings may be among those above.
        let last = self.members.last().map_or(0, |member| member.id);
        for member in conn.step(|conn| search::population_after(conn, search, last))? {
            let job = member.job_id;
            let member = evaluated(member)?;
            self.known.insert(member.genome.hash());
            self.place.insert(job, self.members.len());
            self.last_job = job;
            self.members.push(member);
        }
        self.seen = endings.last().map_or(self.seen, finish::Finish::cursor);
        Ok(())
    }
}

fn evaluation(ended: bool, fitness: Option<f64>) -> Evaluation {
    match (ended, fitness) {
        (false, _) => Evaluation::Pending,
        (true, None) => Evaluation::Failed,
        (true, Some(fitness)) => Evaluation::Fitness(fitness),
    }
}

fn evaluated(member: Member) -> Result<Evaluated, ProposalError> {
    let Member { id, job_id: _, genome, generation, parents, ended, fitness, parameters, flops } = member;
    let genome: Genome =
        serde_json::from_value(genome).map_err(|source| ProposalError::Stored { id, source })?;
    let cost = genome::Cost { parameters: parameters as u64, flops: flops as u64 };
    let evaluation = evaluation(ended, fitness);
    Ok(Evaluated { id, genome, generation: generation as u32, parents, evaluation, cost })
}
