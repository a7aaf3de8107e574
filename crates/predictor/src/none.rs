//! Engine `none`: trains every job to the end.
//!
//! The baseline of all comparisons: it saves nothing and loses nothing. Its prediction is the last observed
//! accuracy. It has no warm-up; NaN is refused before it is asked.

use crate::{Assessment, Observation, Prediction};

pub(crate) fn assess(last: &Observation) -> Assessment {
    Assessment::train_on(Some(Prediction::point(last.val_acc)), "engine none trains every job to the end")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Decision;

    #[test]
    fn it_never_stops_and_tells_the_last_accuracy() {
        for accuracy in [0.0, 71.2, 100.0] {
            let assessment = assess(&Observation::new(3.0, accuracy));
            assert_eq!(assessment.decision, Decision::Continue);
            assert_eq!(assessment.prediction, Some(Prediction::point(accuracy)));
        }
    }
}
