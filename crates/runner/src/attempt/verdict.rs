//! What was decided at a point of a curve.

use store::{
    Claim,
    curve::{Decision, Observation},
    job::{JobMode, Outcome},
};

use super::AttemptOutcome;

/// How an attempt ends by what was decided at the newest point of its curve, if it does. `freezes`: a job that stops is set aside.
/// What was decided before the job was taken up again has been answered by that.
pub fn of(point: &Observation, claim: &Claim, steps: u32, freezes: bool) -> Option<AttemptOutcome> {
    if point.step as u32 >= steps {
        return Some(AttemptOutcome::Decided(Outcome::Completed, point.step));
    }
    let stops = point.decision == Some(Decision::Stop)
        && claim.mode == JobMode::Terminate
        && claim.frozen_at.is_none_or(|frozen_at| point.step > frozen_at);
    stops.then_some(if freezes {
        AttemptOutcome::Frozen(point.step)
    } else {
        AttemptOutcome::Decided(Outcome::Terminated, point.step)
    })
}
