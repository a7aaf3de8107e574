//! What was decided at a point of a curve.

use store::{
    Claim,
    curve::{Decision, Observation},
    job::{JobMode, Outcome},
};

use super::AttemptOutcome;

/// How a job ends by what was decided at its newest point, if it does. One resumed for an interval ends with it, whatever
/// is decided.
pub fn of(point: &Observation, claim: &Claim, steps: u32) -> Option<AttemptOutcome> {
    if point.step as u32 >= steps {
        return Some(AttemptOutcome::Decided(Outcome::Completed, point.step));
    }
    let stop = match claim.thaw_until {
        Some(last) => point.step >= last,
        None => point.decision == Some(Decision::Stop) && claim.mode == JobMode::Terminate,
    };
    stop.then_some(AttemptOutcome::Decided(Outcome::Terminated, point.step))
}
