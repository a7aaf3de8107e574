//! Engine `peng` on generated searches: what it saves, and how it degrades; and its intervals on recorded curves.

mod recorded;

use predictor::replay::{Play, Played, Recorded, measure, orders, play};
use predictor::{
    Calibration, Decision, End, Ended, Engine, EngineName, Measures, Observation, Outcome, Settings,
    SnapshotError, Target,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const TARGET: Target = Target { epochs: 20.0, interval: 1.0 };

fn engine(settings: &Settings) -> Engine {
    Engine::new(settings, TARGET).expect("sound settings")
}

fn job(job: usize, accuracies: impl Iterator<Item = f64>) -> Recorded {
    let point = |(i, a): (usize, f64)| Observation::new(i as f64 + 1.0, a);
    Recorded { job: job as i64, curve: accuracies.enumerate().map(point).collect(), cost: None }
}

fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// Networks whose end is told by how they begin: a - 40·exp(-x/4), with a from 60 to 95 and noise of 0.4.
fn orderly(count: usize, seed: u64) -> Vec<Recorded> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut one = |i: usize| {
        let a = 60.0 + 35.0 * uniform(&mut rng);
        let noise: Vec<f64> = (0..20).map(|_| 0.8 * uniform(&mut rng) - 0.4).collect();
        job(
            i,
            noise.into_iter().enumerate().map(move |(x, e)| a - 40.0 * (-(x as f64 + 1.0) / 4.0).exp() + e),
        )
    };
    (0..count).map(&mut one).collect()
}

fn outcomes(played: &[Played]) -> Vec<Outcome> {
    played.iter().map(|p| p.outcome).collect()
}

fn run(engine: &Engine, jobs: &[Recorded]) -> Vec<Played> {
    play(engine, &jobs.iter().collect::<Vec<_>>(), &Play::default()).expect("sound curves")
}

#[test]
fn an_orderly_search_is_cut_short_and_keeps_its_best() {
    let jobs = orderly(100, 1);
    let each =
        measure(&engine(&Settings::default()), &jobs, &orders(100, 100, 4, 1), &Play::default()).unwrap();
    let mean = Measures::mean(&each);
    assert!(mean.epochs_saved_percent > Some(60.0), "{mean:?}");
    assert!(mean.overlap_10 > Some(0.85) && mean.regret_5 < Some(0.3), "{mean:?}");
    assert!(mean.mae < Some(2.0), "{mean:?}");
}

#[test]
fn intervals_of_stopped_networks_cover_what_they_promise() {
    // Hardly a bad network is completed, and the bad ones go on less predictably than the good ones.
    let Some(jobs) = recorded::jobs("metaqnn-cifar10") else { return };
    let drawn = orders(jobs.len(), 100, 12, 1);
    let mean =
        Measures::mean(&measure(&engine(&Settings::default()), &jobs, &drawn, &Play::default()).unwrap());
    let (c80, c90) = (mean.coverage_80.unwrap(), mean.coverage_90.unwrap());
    assert!((0.78..0.85).contains(&c80) && (0.88..0.94).contains(&c90), "{c80:.3} and {c90:.3}");
}

#[test]
fn with_nothing_finished_it_says_what_the_running_maximum_says() {
    let engine = engine(&Settings::default());
    let curve = [Observation::new(1.0, 30.0), Observation::new(2.0, 45.0), Observation::new(3.0, 41.0)];
    let assessment = engine.assess(&curve, &Calibration::default()).unwrap();
    assert_eq!(assessment.decision, Decision::Continue);
    assert!((assessment.prediction.unwrap().fitness - 45.0).abs() < 1e-12);
}

#[test]
fn pure_noise_stops_nothing_that_would_have_won() {
    for seed in 0..6 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let jobs: Vec<_> = (0..60)
            .map(|i| job(i, (0..20).map(|_| 40.0 + 20.0 * uniform(&mut rng)).collect::<Vec<_>>().into_iter()))
            .collect();
        let played = run(&engine(&Settings::default()), &jobs);
        let best = played.iter().max_by(|a, b| a.outcome.truth.total_cmp(&b.outcome.truth)).unwrap();
        assert!(!best.outcome.terminated, "seed {seed}: the best was stopped at {}", best.outcome.epochs);
        let m = Measures::of(&outcomes(&played));
        assert!(m.overlap_10 > Some(0.8), "seed {seed}: {m:?}");
    }
}

#[test]
fn late_bloomers_of_a_searcher_that_improves_are_not_stopped() {
    // Six generations of ten; each is two points better than the one before, and from the third on networks begin
    // slower than all before them and end higher.
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let jobs: Vec<_> = (0..60)
        .map(|i| {
            let generation = (i / 10) as f64;
            let (a, rate) =
                (70.0 + 4.0 * generation + 6.0 * uniform(&mut rng), 0.5 / (1.0 + 0.25 * generation));
            job(i, (1..=20).map(move |x| a - 45.0 * (-rate * f64::from(x)).exp()))
        })
        .collect();
    let played = run(&engine(&Settings::default()), &jobs);
    let m = Measures::of(&outcomes(&played));
    assert!(m.overlap_10 >= Some(0.8) && m.regret_5 < Some(0.5), "{m:?}");
}

#[test]
fn networks_that_never_learn_are_not_over_predicted() {
    let mut jobs = orderly(100, 4);
    for i in (3..100).step_by(5) {
        jobs[i] = job(i, (0..20).map(|x| 10.0 + 0.05 * f64::from(x % 3)));
    }
    let played = run(&engine(&Settings::default()), &jobs);
    let dead: Vec<_> = played.iter().filter(|p| p.outcome.truth < 11.0 && p.outcome.terminated).collect();
    assert!(dead.len() >= 15, "only {} of 20 were stopped", dead.len());
    let error = dead.iter().map(|p| p.outcome.fitness - p.outcome.truth).sum::<f64>() / dead.len() as f64;
    assert!(error.abs() < 5.0, "over-predicted by {error:.2} points");
}

#[test]
fn a_bar_of_100_percent_cannot_be_beaten() {
    let engine = engine(&Settings::default());
    let mut calibration = Calibration::default();
    for recorded in orderly(20, 5) {
        let mut curve = recorded.curve;
        curve[19].val_acc = 100.0;
        engine
            .learn(
                &mut calibration,
                &Ended { job: recorded.job, curve: &curve, end: End::Completed, cost: None },
            )
            .unwrap();
    }
    let curve: Vec<_> = orderly(1, 6)[0].curve[..3].to_vec();
    let assessment = engine.assess(&curve, &calibration).unwrap();
    assert_eq!((assessment.decision, assessment.prediction.unwrap().chance), (Decision::Stop, Some(0.0)));
}

#[test]
fn reasons_are_for_people() {
    let engine = engine(&Settings { thaw: false, ..Settings::default() });
    let jobs = orderly(40, 7);
    let mut calibration = Calibration::default();
    for recorded in &jobs {
        let ended = Ended { job: recorded.job, curve: &recorded.curve, end: End::Completed, cost: None };
        engine.learn(&mut calibration, &ended).unwrap();
    }
    let worst = jobs.iter().min_by(|a, b| a.curve[19].val_acc.total_cmp(&b.curve[19].val_acc)).unwrap();
    let assessment = engine.assess(&worst.curve[..6], &calibration).unwrap();
    assert_eq!(assessment.decision, Decision::Stop);
    let prediction = assessment.prediction.unwrap();
    let (low, high) = prediction.interval_80.unwrap();
    let start = format!("final {:.1} ± {:.1}, needs ", prediction.fitness, (high - low) / 2.0);
    let reason = assessment.reason;
    assert!(
        reason.starts_with(&start) && reason.ends_with(" to enter the best 10 %: chance 0.0 %"),
        "{reason}, expected {start}"
    );
    let early = engine.assess(&worst.curve[..1], &calibration).unwrap().reason;
    assert!(early.ends_with("no stop before epoch 2"), "{early}");
}

#[test]
fn a_warm_start_stops_sooner() {
    let settings = Settings::default();
    let more = |seed: u64| {
        let (earlier, jobs) = (orderly(60, 100 + seed), orderly(40, 200 + seed));
        let drawn: Vec<_> = jobs.iter().collect();
        let saved = |how: &Play<'_>| {
            let played = play(&engine(&settings), &drawn, how).unwrap();
            Measures::of(&outcomes(&played)).epochs_saved_percent.unwrap()
        };
        saved(&Play { earlier: &earlier, ..Play::default() }) - saved(&Play::default())
    };
    // Three start-up jobs less of forty would be 7.5 % if nothing of them were trained.
    let mean = (0..8).map(more).sum::<f64>() / 8.0;
    assert!(mean > 4.0, "{mean}");
}

/// Curves with validation accuracies alone, or none where the folder is missing.
fn curves(set: &str) -> Option<Vec<Recorded>> {
    Some(recorded::jobs(set)?.into_iter().map(|j| Recorded { cost: None, ..j }).collect())
}

fn cold_and_warm(jobs: &[Recorded], earlier: &[Recorded], epochs: f64, count: usize) -> [Measures; 2] {
    let engine = Engine::new(&Settings::default(), Target { epochs, interval: 1.0 }).expect("an engine");
    [&[], earlier].map(|earlier| {
        let how = Play { earlier, ..Play::default() };
        let each = measure(&engine, jobs, &orders(jobs.len(), 100, count, 1), &how);
        Measures::mean(&each.expect("sound curves"))
    })
}

#[test]
fn a_warm_start_from_like_data_saves_more_and_keeps_as_much() {
    let Some(all) = curves("metaqnn-cifar10") else { return };
    let (earlier, jobs): (Vec<_>, Vec<_>) = all.into_iter().partition(|j| j.job % 2 == 0);
    let [cold, warm] = cold_and_warm(&jobs, &earlier, 20.0, 12);
    assert!(warm.epochs_saved_percent > cold.epochs_saved_percent.map(|c| c + 1.5), "{cold:?} {warm:?}");
    assert!(warm.overlap_10 >= cold.overlap_10 && warm.regret_5 <= cold.regret_5, "{cold:?} {warm:?}");
    assert!(warm.coverage_80 > Some(0.78) && warm.coverage_80 < Some(0.9), "{warm:?}");
}

#[test]
fn a_warm_start_from_unlike_data_does_no_harm() {
    let Some((images, diffraction)) = curves("metaqnn-cifar10").zip(curves("icpp23-1e14-full")) else {
        return;
    };
    for (jobs, earlier, epochs) in [(&images, &diffraction[..], 20.0), (&diffraction, &images[..100], 25.0)] {
        let [cold, warm] = cold_and_warm(jobs, earlier, epochs, 4);
        let no_less = |of: &dyn Fn(&Measures) -> Option<f64>, by: f64| {
            assert!(of(&warm) >= of(&cold).map(|c| c - by), "{epochs} epochs: {cold:?} {warm:?}");
        };
        no_less(&|m| m.epochs_saved_percent, 1.0);
        no_less(&|m| m.overlap_10, 0.02);
        no_less(&|m| m.regret_5.map(|r| -r), 0.01);
        no_less(&|m| m.coverage_80, 0.03);
    }
}

#[test]
fn an_earlier_search_that_was_wrong_is_not_asked_where_the_own_curves_cannot_tell() {
    let engine = engine(&Settings::default());
    let (earlier, mut jobs) = (orderly(60, 8), orderly(10, 9));
    jobs.sort_by(|a, b| b.curve[19].val_acc.total_cmp(&a.curve[19].val_acc));
    let asked = |off: f64| {
        let mut calibration = Calibration::default();
        for e in &earlier {
            engine.learn_earlier(&mut calibration, &e.curve).unwrap();
        }
        let mut curve = jobs[2].curve.clone();
        curve[19].val_acc += off;
        let ended = Ended { job: 0, curve: &curve, end: End::Completed, cost: None };
        engine.learn(&mut calibration, &ended).unwrap();
        engine.assess(&jobs[9].curve[..4], &calibration).unwrap()
    };
    let (well, wrong) = (asked(0.0), asked(-1.0));
    assert!(well.prediction.unwrap().interval_80.is_some(), "it predicted the first curve well");
    let said = "1 of 7 start-up jobs are completed; the earlier search is like this one: chance ";
    assert!(well.reason.contains(said), "{}", well.reason);
    assert_eq!(wrong.prediction.unwrap().interval_80, None, "the first curve ended a point lower");
}

#[test]
fn a_stopped_job_teaches_from_the_next_completion_on_until_it_ends_again() {
    let engine = engine(&Settings::default());
    let jobs = orderly(30, 14);
    let curve = |i: usize| &jobs[i].curve[..];
    let complete = |c: &mut Calibration, i: usize| {
        engine.learn(c, &Ended { job: i as i64, curve: curve(i), end: End::Completed, cost: None }).unwrap();
    };
    let stop = |c: &mut Calibration, i: usize| {
        let end = End::Stopped { fitness: 70.0 };
        engine.learn(c, &Ended { job: i as i64, curve: &curve(i)[..12], end, cost: None }).unwrap();
    };
    let ask = |c: &Calibration| {
        let prediction = engine.assess(&curve(29)[..4], c).unwrap().prediction.unwrap();
        (prediction.fitness, prediction.interval_80.unwrap())
    };
    let mut without = Calibration::default();
    (0..10).for_each(|i| complete(&mut without, i));
    let mut with = without.clone();
    (10..20).for_each(|i| stop(&mut with, i));
    assert_eq!(ask(&with), ask(&without), "no job was completed since");
    complete(&mut with, 20);
    complete(&mut without, 20);
    assert_ne!(ask(&with), ask(&without), "ten stopped jobs count now");
    // Measured at last, what they were expected to reach is forgotten.
    (10..20).for_each(|i| complete(&mut with, i));
    (10..20).for_each(|i| complete(&mut without, i));
    let (found, expected) = (ask(&with), ask(&without));
    assert!((found.0 - expected.0).abs() < 1e-6, "{found:?}, expected {expected:?}");
}

#[test]
fn a_network_that_collapses_does_not_widen_the_intervals_of_all_and_one_that_surprises_does() {
    let engine = engine(&Settings::default());
    let jobs = orderly(40, 15);
    let width = |last: f64| {
        let mut calibration = Calibration::default();
        for (i, recorded) in jobs[..20].iter().enumerate() {
            let mut curve = recorded.curve.clone();
            if i == 12 {
                curve[19].val_acc = last;
            }
            let ended = Ended { job: recorded.job, curve: &curve, end: End::Completed, cost: None };
            engine.learn(&mut calibration, &ended).unwrap();
        }
        let asked = engine.assess(&jobs[30].curve[..6], &calibration).unwrap();
        let (low, high) = asked.prediction.unwrap().interval_80.unwrap();
        high - low
    };
    let (usual, collapsed, surprised) = (width(jobs[12].curve[19].val_acc), width(10.0), width(99.5));
    assert!(collapsed < 2.0 * usual, "{collapsed:.2} points after a collapse, {usual:.2} without");
    assert!(surprised > 2.0 * usual, "{surprised:.2} points after a surprise, {usual:.2} without");
}

#[test]
fn a_search_of_one_epoch_has_nothing_to_predict() {
    let engine =
        Engine::new(&Settings::default(), Target { epochs: 1.0, interval: 1.0 }).expect("sound settings");
    let short = |recorded: Recorded| Recorded { curve: recorded.curve[..1].to_vec(), ..recorded };
    let jobs: Vec<_> = orderly(20, 16).into_iter().map(short).collect();
    let m = Measures::of(&outcomes(&run(&engine, &jobs)));
    assert_eq!((m.epochs_saved_percent, m.overlap_10), (Some(0.0), Some(1.0)));
}

#[test]
fn those_that_disappointed_keep_the_completed_from_promising_too_much() {
    // All begin alike; by epoch 10 it shows that they gain 0 to 20 points. Six are completed, then only the best.
    let engine = engine(&Settings::default());
    let gains: Vec<f64> = (0..30).map(|i| f64::from(i * 7 % 30) * 20.0 / 29.0).collect();
    let curve = |i: usize| -> Vec<Observation> {
        let noise = |x: i32| f64::from((i as i32 * 13 + x * 29) % 17) / 17.0;
        let gained = |x: i32| gains[i] * f64::from((x - 5).clamp(0, 5)) / 5.0;
        (1..=20).map(|x| Observation::new(f64::from(x), 50.0 + gained(x) + noise(x))).collect()
    };
    let after = |count_stopped: bool| {
        let mut calibration = Calibration::default();
        for i in 0..30 {
            let whole = curve(i);
            let disappoints = i >= 6 && gains[i] < 14.0;
            let ended = if disappoints {
                let end = End::Stopped { fitness: 50.0 + gains[i] };
                Ended { job: i as i64, curve: &whole[..12], end, cost: None }
            } else {
                Ended { job: i as i64, curve: &whole, end: End::Completed, cost: None }
            };
            if count_stopped || !disappoints {
                engine.learn(&mut calibration, &ended).unwrap();
            }
        }
        engine.assess(&curve(3)[..4], &calibration).unwrap().prediction.unwrap().fitness
    };
    let expected = 50.5 + gains.iter().sum::<f64>() / 30.0;
    let (with, without) = (after(true), after(false));
    assert!(without > expected + 2.0, "{without:.2} by the completed alone, {expected:.2} on average");
    assert!((with - expected).abs() < 1.5, "{with:.2} by all, {expected:.2} on average");
}

#[test]
fn with_two_objectives_a_cheap_network_is_judged_by_those_as_cheap() {
    let engine = engine(&Settings::default());
    let mut calibration = Calibration::default();
    for recorded in orderly(30, 10) {
        // Accuracy has its price: 60 % costs 60, 95 % costs 95.
        let cost = Some(recorded.curve[19].val_acc);
        let ended = Ended { job: recorded.job, curve: &recorded.curve, end: End::Completed, cost };
        engine.learn(&mut calibration, &ended).unwrap();
    }
    let curve: Vec<_> =
        (1..=6).map(|x| Observation::new(f64::from(x), 75.0 - 40.0 * (-f64::from(x) / 4.0).exp())).collect();
    let chance = |cost| {
        engine.assess_with_cost(&curve, cost, &calibration).unwrap().prediction.unwrap().chance.unwrap()
    };
    assert!(chance(Some(68.0)) > 0.9, "on the front: {}", chance(Some(68.0)));
    assert!(chance(Some(90.0)) < 0.01, "dominated: {}", chance(Some(90.0)));
    assert!(chance(None) < 0.01, "by fitness alone: {}", chance(None));
}

#[test]
fn a_replay_in_the_same_order_repeats_every_assessment_bit_for_bit() {
    let jobs = orderly(40, 11);
    let engine = engine(&Settings::default());
    for workers in [1, 4] {
        let how = Play { workers, ..Play::default() };
        let drawn: Vec<_> = jobs.iter().collect();
        let (one, other) = (play(&engine, &drawn, &how).unwrap(), play(&engine, &drawn, &how).unwrap());
        assert_eq!(one, other, "{workers} workers");
    }
    // A calibration restored from bytes goes on as the one it was taken from.
    let mut calibration = Calibration::default();
    for recorded in &jobs[..20] {
        let ended = Ended { job: recorded.job, curve: &recorded.curve, end: End::Completed, cost: None };
        engine.learn(&mut calibration, &ended).unwrap();
    }
    let restored = Calibration::from_bytes(&calibration.to_bytes().unwrap()).unwrap();
    let ask = |c: &Calibration| engine.assess(&jobs[30].curve[..5], c).unwrap();
    assert_eq!(ask(&calibration), ask(&restored));
}

/// A row of a snapshot that is damaged: every eight bytes of it become a number that means harm. What is read all the same
/// can be asked and goes on to learn.
#[test]
fn a_snapshot_with_impossible_numbers_is_refused_before_it_is_asked() {
    let target = Target { epochs: 3.0, interval: 1.0 };
    let engine = Engine::new(&Settings::default(), target).expect("sound settings");
    let curves: Vec<Vec<Observation>> =
        orderly(12, 13).into_iter().map(|recorded| recorded.curve[..3].to_vec()).collect();
    let mut calibration = Calibration::default();
    for curve in &curves[..5] {
        engine.learn_earlier(&mut calibration, curve).unwrap();
    }
    let ended = |job: i64, end| Ended { job, curve: &curves[job as usize], end, cost: None };
    for job in 5..11 {
        engine.learn(&mut calibration, &ended(job, End::Completed)).unwrap();
    }
    let bytes = calibration.to_bytes().unwrap();
    let (mut refused, mut named, mut asked) = (0, 0, 0);
    // Three bytes on at a time: all alignments come about.
    for at in (1..bytes.len() - 8).step_by(3) {
        for number in [f64::NAN, f64::INFINITY, 1e300, 1e14, -1.0] {
            let mut damaged = bytes.clone();
            damaged[at..at + 8].copy_from_slice(&number.to_le_bytes());
            match Calibration::from_bytes(&damaged) {
                Err(SnapshotError::Impossible(wrong)) => {
                    assert!(!wrong.field.is_empty() && !wrong.found.is_empty() && !wrong.allowed.is_empty());
                    named += 1;
                }
                Err(_) => refused += 1,
                Ok(mut read) => {
                    engine.assess(&curves[11][..2], &read).unwrap();
                    engine.learn(&mut read, &ended(11, End::Completed)).unwrap();
                    engine.assess(&curves[0][..2], &read).unwrap();
                    asked += 1;
                }
            }
        }
    }
    assert!(named > 300 && refused > 0 && asked > 300, "{named} named, {refused} refused, {asked} asked");
}

#[test]
fn jobs_without_thaw_stay_stopped_and_with_it_all_above_the_risk_are_resumed() {
    let jobs = orderly(60, 12);
    let final_stops = run(&engine(&Settings { thaw: false, ..Settings::default() }), &jobs);
    let thawed = run(&engine(&Settings::default()), &jobs);
    let completed = |played: &[Played]| played.iter().filter(|p| !p.outcome.terminated).count();
    assert!(completed(&final_stops) >= 7 && completed(&thawed) >= 7);
    let never = engine(&Settings { thaw: false, ..Settings::default() });
    assert_eq!((never.thaw_above(), engine(&Settings::default()).thaw_above()), (None, Some(0.01)));
    let risky = engine(&Settings { risk: 0.2, ..Settings::default() });
    assert_eq!(risky.thaw_above(), Some(0.2));
}

#[test]
fn every_engine_plays_a_search_with_half_epoch_steps_and_shorter_curves() {
    let target = Target { epochs: 5.0, interval: 0.5 };
    let halves = |(i, recorded): (usize, Recorded)| {
        let keep = if i % 7 == 3 { 6 } else { 10 };
        let point = |(m, o): (usize, &Observation)| Observation::new(f64::midpoint(m as f64, 1.0), o.val_acc);
        Recorded { curve: recorded.curve[..keep].iter().enumerate().map(point).collect(), ..recorded }
    };
    let jobs: Vec<_> = orderly(40, 13).into_iter().enumerate().map(halves).collect();
    for name in EngineName::ALL {
        let engine = Engine::new(&Settings { engine: name, ..Settings::default() }, target).unwrap();
        let played = run(&engine, &jobs);
        let m = Measures::of(&outcomes(&played));
        assert!(m.epochs_saved_percent >= Some(0.0) && m.overlap_25 > Some(0.3), "{name}: {m:?}");
        assert!(played.iter().all(|p| !p.assessments.is_empty()), "{name}");
    }
}
