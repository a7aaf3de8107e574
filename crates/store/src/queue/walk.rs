//! The way of a worker through the queue of one search.

use std::time::{Duration, Instant};

/// Where a job stands in the queue of its search: negated priority, then id.
pub type Place = (i32, i64);
/// Before all jobs.
pub const HEAD: Place = (i32::MIN, 0);
/// Least time between two walks through what stands before the furthest place.
const REST: Duration = Duration::from_secs(1);
/// How much longer the worker rests from such walks than they took it.
const THRIFT: u32 = 50;

/// When what took so long may be done again: it costs a fiftieth of the time, and is not done more than once a second.
pub fn again_after(cost: Duration) -> Instant {
    Instant::now() + (cost * THRIFT).max(REST)
}

/// A walk: each claim begins behind the place of the one before, so that it does not read past the dead index entries of all
/// jobs claimed since somebody took a snapshot. Retries and higher priorities turn up before that place, so the walk begins anew
/// at the head of the queue after a second, or after fifty times what the way from the head to the furthest place took more than
/// as many claims there, if that is longer. At the end of the queue it begins anew at once.
#[derive(Debug)]
pub struct Walk {
    place: Place,
    furthest: Place,
    /// How long the last claim from the furthest place took.
    usual: Duration,
    /// What the walk from the head has taken beyond that.
    extra: Duration,
    /// When it may begin at the head again.
    again: Instant,
}

impl Walk {
    /// A walk that begins at the head.
    pub fn new() -> Self {
        Self {
            place: HEAD,
            furthest: HEAD,
            usual: Duration::ZERO,
            extra: Duration::ZERO,
            again: Instant::now(),
        }
    }

    /// The first job behind the place, and where it stands; behind the head where there is none and that is due.
    ///
    /// # Errors
    /// Those of `claim`.
    pub fn claim<T, E>(
        &mut self,
        mut claim: impl FnMut(Place) -> Result<Option<(Place, T)>, E>,
    ) -> Result<Option<T>, E> {
        if Instant::now() >= self.again {
            self.place = HEAD;
        }
        match self.step(&mut claim)? {
            None if self.place != HEAD => {
                self.place = HEAD;
                self.step(&mut claim)
            }
            claimed => Ok(claimed),
        }
    }

    /// One claim from the place where the walk is.
    fn step<T, E>(
        &mut self,
        claim: &mut impl FnMut(Place) -> Result<Option<(Place, T)>, E>,
    ) -> Result<Option<T>, E> {
        let (start, behind) = (Instant::now(), self.place < self.furthest);
        let claimed = claim(self.place)?;
        if behind {
            self.extra += start.elapsed().saturating_sub(self.usual);
        } else {
            self.usual = start.elapsed();
        }
        if let Some((place, _)) = &claimed {
            self.place = *place;
        }
        if (behind || self.furthest == HEAD) && (claimed.is_none() || self.place >= self.furthest) {
            self.again = again_after(std::mem::take(&mut self.extra));
        }
        self.furthest = self.furthest.max(self.place);
        Ok(claimed.map(|(_, claimed)| claimed))
    }
}
