//! Which scheduler a `[predictor]` table asks for.

use predictor::{Calibration, Engine, EngineName, Settings, SettingsError, Target};

use crate::{Asha, Best, Hyperband, RESTART, Scheduler, Single, Variant};

/// The scheduler that goes with the engine of the settings. `calibration`: what an earlier search taught (`warm_start`).
///
/// # Errors
/// Names the key that is out of range, what was found, and what is allowed.
pub fn of(
    settings: &Settings,
    target: Target,
    calibration: Calibration,
) -> Result<Box<dyn Scheduler>, SettingsError> {
    let engine = Engine::new(settings, target)?;
    Ok(match settings.engine {
        EngineName::Peng if settings.thaw => {
            let restart = settings.restart_epochs.map_or(RESTART, |epochs| epochs / target.interval);
            Box::new(Best::new(engine, calibration, restart))
        }
        EngineName::Asha => Box::new(Asha::new(settings, target, Variant::Stopping)),
        EngineName::AshaPromotion => Box::new(Asha::new(settings, target, Variant::Promotion)),
        EngineName::Hyperband => Box::new(Hyperband::new(settings, target)),
        _ => Box::new(Single::new(engine, calibration)),
    })
}

#[cfg(test)]
mod tests {
    use predictor::{Observation, replay::Recorded};
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::simulation::{Setup, simulate};
    use crate::{Decision, Ledger, State};

    const TARGET: Target = Target { epochs: 10.0, interval: 1.0 };

    /// What becomes of a job that is far behind, after 20 that were trained to the end.
    fn said(settings: &str) -> (Decision, String) {
        let settings: Settings = toml::from_str(settings).unwrap();
        let mut scheduler = of(&settings, TARGET, Calibration::default()).unwrap();
        let mut ledger = Ledger::default();
        for job in 0..=20 {
            ledger.start(job, None);
            let (epochs, level) =
                if job < 20 { (10, 80.0 + (job * 7 % 20) as f64 / 10.0) } else { (3, 20.0) };
            for epoch in 1..=epochs {
                ledger.observe(job, Observation::new(f64::from(epoch), level + f64::from(epoch))).unwrap();
                if epoch == 10 {
                    ledger.settle(job, State::Completed).unwrap();
                }
                scheduler.learn(&ledger, job).unwrap();
            }
        }
        let verdict = scheduler.decide(&ledger, 20, true).unwrap();
        (verdict.decision, verdict.reason)
    }

    #[test]
    fn each_engine_has_its_scheduler() {
        let table = [
            ("", Decision::Freeze, "final "),
            ("thaw = false", Decision::Stop, "final "),
            ("engine = \"asha\"", Decision::Stop, "rank 21 of 21 at rung 1"),
            ("engine = \"asha-promotion\"", Decision::Freeze, "rank 21 of 21 at rung 1"),
            ("engine = \"hyperband\"\neta = 4.0", Decision::Freeze, "rank 21 of 21 at rung 1"),
            ("engine = \"median\"\nwarm_up = 3.0", Decision::Stop, "median"),
            ("engine = \"none\"", Decision::Continue, ""),
        ];
        for (settings, decision, reason) in table {
            let said = said(settings);
            assert!(said.0 == decision && said.1.contains(reason), "{settings}: {said:?}");
        }
    }

    #[test]
    fn dear_restarts_are_fewer() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut random = || f64::from(rng.next_u32()) / f64::from(u32::MAX);
        let mut job = |job: i64| {
            let (end, rise) = (70.0 + 20.0 * random(), 10.0 + 20.0 * random());
            let mut point =
                |x: i32| Observation::new(f64::from(x), end - rise * (-0.3 * f64::from(x)).exp() + random());
            Recorded { job, curve: (1..=10).map(&mut point).collect(), cost: None }
        };
        let jobs: Vec<Recorded> = (0..80).map(&mut job).collect();
        let restarts = |settings: &str| {
            let mut scheduler =
                of(&toml::from_str(settings).unwrap(), TARGET, Calibration::default()).unwrap();
            let setup = Setup { workers: 1, restart: 0, target: TARGET };
            simulate(scheduler.as_mut(), &jobs.iter().collect::<Vec<_>>(), &setup).unwrap().restarts()
        };
        let [free, default, two] = ["restart_epochs = 0.0", "", "restart_epochs = 2.0"].map(restarts);
        assert!(free > default && default == two, "{free}, {default}, {two}");
    }

    #[test]
    fn a_key_out_of_range_is_named() {
        for engine in EngineName::ALL {
            let settings = Settings { engine, eta: 1.0, ..Settings::default() };
            let Err(error) = of(&settings, TARGET, Calibration::default()) else { panic!("{engine}") };
            assert_eq!(error.key, "eta");
        }
    }
}
