//! A specification is the same when it is written as TOML or stored as JSON, and read again.

use data::{DataSpec, SetName};
use genome::{
    Augmentation, ExternalSpace, MetaqnnSpace, NsgaMacroSpace, Optimiser, Precision, RandomCnnSpace, Recipe,
    Schedule, Space,
};
use predictor::{EngineName, Mode, Prefer, Settings};
use proptest::prelude::*;
use search::{Budget, Scheduling, Spec};
use strategy::{Evolution, Nsga2, Strategy as Kind};

/// Above 0 and below 1, with all the digits that it may have.
fn share() -> impl Strategy<Value = f64> {
    (1..1_u64 << 53).prop_map(|n| n as f64 / (1_u64 << 53) as f64)
}

fn data() -> impl Strategy<Value = DataSpec> {
    let sets = SetName::ALL.into_iter().filter(|set| *set != SetName::ImageFolder).collect::<Vec<_>>();
    let official = (prop::sample::select(sets), prop::option::of(100..800_u32), 0..=i64::MAX as u64)
        .prop_map(|(set, train, seed)| DataSpec { train, validation: Some(100), seed, ..DataSpec::new(set) });
    let folder = (1..=64_u32, 2..=9_u32, "[a-zé 'b\"\\\\]{1,9}").prop_map(|(size, classes, path)| DataSpec {
        path: Some(path.into()),
        size: Some(size),
        channels: Some(3),
        classes: Some(classes),
        ..DataSpec::new(SetName::ImageFolder)
    });
    prop_oneof![official, folder]
}

fn space() -> impl Strategy<Value = Space> {
    prop_oneof![
        (share(), share(), 1..9_u32).prop_map(|(rate, decay, blocks)| Space::RandomCnn(RandomCnnSpace {
            blocks: [1, blocks],
            learning_rate: [rate / 2.0, rate],
            weight_decay: [0.0, decay],
            ..RandomCnnSpace::default()
        })),
        Just(Space::NsgaMacro(NsgaMacroSpace::default())),
        prop::collection::vec(share(), 0..4).prop_map(|learning_rate| Space::Metaqnn(MetaqnnSpace {
            learning_rate,
            max_flops: Some(1 << 40),
            ..MetaqnnSpace::default()
        })),
        Just(Space::External(ExternalSpace {})),
    ]
}

fn strategy() -> impl Strategy<Value = Kind> {
    prop_oneof![
        (0..=i64::MAX as u64).prop_map(|seed| Kind::Random(strategy::Random { seed })),
        (5..50_usize, any::<bool>()).prop_map(|(population, barrier)| Kind::Evolution(Evolution {
            population,
            barrier,
            ..Evolution::default()
        })),
        share().prop_map(|crossover| Kind::Nsga2(Nsga2 { crossover, ..Nsga2::default() })),
        Just(Kind::Given(strategy::Given::default())),
    ]
}

fn predictor() -> impl Strategy<Value = Settings> {
    let names = (prop::sample::select(EngineName::ALL.to_vec()), prop::option::of("[a-z0-9._-]{1,9}"));
    (names, any::<bool>(), [share(), share(), share(), share()], prop::option::of(2..9_usize)).prop_map(
        |((engine, warm_start), thaw, [audit, keep, risk, threshold], startup)| Settings {
            engine,
            mode: if thaw { Mode::Terminate } else { Mode::Observe },
            audit,
            keep,
            risk,
            threshold,
            warm_start,
            thaw,
            prefer: if thaw { Prefer::Epochs } else { Prefer::Time },
            restart_epochs: startup.map(|epochs| epochs as f64),
            startup,
            ..Settings::default()
        },
    )
}

fn training() -> impl Strategy<Value = Recipe> {
    let words = (
        prop::sample::select(vec![Optimiser::Sgd, Optimiser::Adamw]),
        prop::sample::select(vec![Schedule::Cosine, Schedule::Step, Schedule::Constant]),
        prop::sample::select(vec![Precision::Fp32, Precision::Bf16]),
    );
    (words, [share(), share(), share(), share()], prop::option::of(share()), any::<bool>()).prop_map(
        |(
            (optimiser, schedule, precision),
            [learning_rate, momentum, weight_decay, gamma],
            gradient_clip,
            flip,
        )| Recipe {
            optimiser,
            schedule,
            precision,
            learning_rate,
            momentum,
            weight_decay,
            gamma,
            gradient_clip,
            milestones: vec![gamma / 2.0, gamma],
            augmentation: Augmentation { flip, ..Augmentation::default() },
            ..Recipe::default()
        },
    )
}

fn spec() -> impl Strategy<Value = Spec> {
    let budget = (1..1000_u32, 1..1000_u32, share()).prop_map(|(jobs, steps, interval)| Budget {
        jobs,
        max_epochs: f64::from(steps) * interval,
        interval,
    });
    let scheduling = (i16::MIN..=i16::MAX, proptest::option::of(1..=i32::MAX))
        .prop_map(|(priority, max_running)| Scheduling { priority: priority.into(), max_running });
    let names = ("[A-Za-z0-9][A-Za-z0-9._-]{0,9}", "[a-z][a-z0-9]{0,5}");
    (names, data(), space(), strategy(), (budget, scheduling), predictor(), training()).prop_map(
        |((name, class), data, space, strategy, (budget, search), predictor, training)| Spec {
            name,
            class,
            data,
            space,
            strategy,
            budget,
            search,
            predictor,
            training,
        },
    )
}

proptest! {
    #[test]
    fn a_specification_survives_toml_and_json(spec in spec()) {
        let toml = toml::to_string(&spec).unwrap();
        let read = match Spec::parse(&toml, "f.toml") {
            Ok(read) => read,
            // A space may be too tight for small images.
            Err(error) => {
                prop_assert!(error.to_string().contains("too tight"), "{}\n{}", error, toml);
                return Ok(());
            }
        };
        prop_assert_eq!(&read, &spec, "{}", toml);
        let json = read.to_json().to_string();
        let stored = Spec::from_json(&serde_json::from_str(&json).unwrap()).unwrap();
        prop_assert_eq!(stored.hash(), spec.hash(), "{}", json);
        let lasting = Spec { search: Scheduling::default(), ..spec };
        prop_assert_eq!(&stored, &lasting, "{}", json);
    }
}
