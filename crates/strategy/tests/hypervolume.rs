//! NSGA-II against pymoo 0.6.2 with the same evaluations and the same variation, figures of `pymoo_figures.py`.

mod simulation;

use genome::{Layer, NsgaMacro, Plan};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use simulation::{INPUT, Simulation, space, strategy};
use strategy::{Evaluation, Objectives, Standing, fronts, survivors, tournament};

/// Mean hypervolumes that pymoo reaches on ZDT1, ZDT2 and ZDT3 (10 seeds) and on the phases (50 seeds).
const PYMOO_ZDT: [f64; 3] = [0.8681, 0.5344, 1.3258];
const PYMOO_PHASES: f64 = 3881.1;

/// Area between the best front and `reference`.
fn hypervolume(points: &[Objectives], reference: Objectives) -> f64 {
    let mut front: Vec<Objectives> = fronts(points)[0].iter().map(|&i| points[i]).collect();
    front.retain(|p| p[0] < reference[0] && p[1] < reference[1]);
    front.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let mut ceiling = reference[1];
    let mut area = 0.0;
    for [first, second] in front {
        area += (reference[0] - first) * (ceiling - second).max(0.0);
        ceiling = ceiling.min(second);
    }
    area
}

/// Zitzler, Deb and Thiele's test functions 1 to 3 (Evolutionary Computation 8(2), 2000).
fn zdt(number: usize, x: &[f64]) -> Objectives {
    let g = 1.0 + 9.0 * x[1..].iter().sum::<f64>() / (x.len() - 1) as f64;
    let share = x[0] / g;
    let h = match number {
        1 => 1.0 - share.sqrt(),
        2 => 1.0 - share * share,
        _ => 1.0 - share.sqrt() - share * (10.0 * std::f64::consts::PI * x[0]).sin(),
    };
    [x[0], g * h]
}

/// Simulated binary crossover of two parents within [0, 1] (Deb and Agrawal 1995), index 15, one child.
fn sbx(a: &[f64], b: &[f64], rng: &mut impl Rng) -> Vec<f64> {
    let gene = |(&a, &b): (&f64, &f64)| {
        let (low, high) = (f64::min(a, b), f64::max(a, b));
        if rng.random_bool(0.5) || high - low < 1e-14 {
            return a;
        }
        let (u, first) = (rng.random::<f64>(), rng.random_bool(0.5));
        let edge = if first { low } else { 1.0 - high };
        let alpha = 2.0 - (1.0 + 2.0 * edge / (high - low)).powf(-16.0);
        let spread = if u <= 1.0 / alpha { u * alpha } else { 1.0 / (2.0 - u * alpha) }.powf(1.0 / 16.0);
        let middle = 0.5 * (low + high);
        let child =
            if first { middle - spread * 0.5 * (high - low) } else { middle + spread * 0.5 * (high - low) };
        child.clamp(0.0, 1.0)
    };
    a.iter().zip(b).map(gene).collect()
}

/// Polynomial mutation within [0, 1] (Deb and Goyal 1996), index 20, one gene on average.
fn polynomial(x: &mut [f64], rng: &mut impl Rng) {
    let n = x.len() as u32;
    for gene in x {
        if rng.random_ratio(1, n) {
            let u = rng.random::<f64>();
            let step = if u < 0.5 {
                (2.0 * u + (1.0 - 2.0 * u) * (1.0 - *gene).powf(21.0)).powf(1.0 / 21.0) - 1.0
            } else {
                1.0 - (2.0 * (1.0 - u) + (2.0 * u - 1.0) * gene.powf(21.0)).powf(1.0 / 21.0)
            };
            *gene = (*gene + step).clamp(0.0, 1.0);
        }
    }
}

/// Hypervolume after `evaluations` with 30 variables and a population of 100.
fn minimise(number: usize, evaluations: usize, seed: u64) -> f64 {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let size = 100;
    let mut x: Vec<Vec<f64>> = (0..size).map(|_| (0..30).map(|_| rng.random()).collect()).collect();
    let mut f: Vec<Objectives> = x.iter().map(|x| zdt(number, x)).collect();
    for _ in 1..evaluations / size {
        let standings: Vec<Standing> =
            survivors(&f, size).into_iter().map(|(_, standing)| standing).collect();
        for _ in 0..size {
            let (a, b) = (tournament(&standings, &mut rng), tournament(&standings, &mut rng));
            let mut child = if rng.random_bool(0.9) { sbx(&x[a], &x[b], &mut rng) } else { x[a].clone() };
            polynomial(&mut child, &mut rng);
            f.push(zdt(number, &child));
            x.push(child);
        }
        let chosen: Vec<usize> = survivors(&f, size).into_iter().map(|(index, _)| index).collect();
        (x, f) = chosen.iter().map(|&i| (x[i].clone(), f[i])).unzip();
    }
    hypervolume(&f, [1.1, 1.1])
}

#[test]
fn hypervolume_of_two_points() {
    let area = hypervolume(&[[0.0, 0.5], [0.5, 0.0], [0.6, 0.6], [2.0, -1.0]], [1.0, 1.0]);
    assert!((area - 0.75).abs() < 1e-12, "{area}");
}

/// The operators that the strategy is made of, with the same variation of real numbers as pymoo.
#[test]
fn analytic_functions_are_minimised_as_by_pymoo() {
    for (i, theirs) in PYMOO_ZDT.into_iter().enumerate() {
        let ours = (0..2).map(|seed| minimise(i + 1, 20_000, seed)).sum::<f64>() / 2.0;
        println!("ZDT{}: {ours:.4}, pymoo {theirs:.4}", i + 1);
        assert!(ours > 0.98 * theirs, "ZDT{}: {ours} against {theirs}", i + 1);
    }
}

/// Fitness in percent that rises with the longest path, the convolutions and the joins of a network.
fn landscape(plan: &Plan) -> f64 {
    let (mut longest, mut convs, mut joins) = (vec![0.0_f64; plan.nodes.len()], 0.0, 0.0_f64);
    for (i, node) in plan.nodes.iter().enumerate() {
        let conv = node.name.contains("node") && matches!(node.layer, Layer::Conv { kernel: 3, .. });
        longest[i] = node.inputs.iter().map(|&j| longest[j]).fold(0.0, f64::max) + f64::from(u8::from(conv));
        convs += f64::from(u8::from(conv));
        joins += f64::from(u8::from(node.layer == Layer::Concat));
    }
    let depth = longest[plan.nodes.len() - 1];
    100.0 * (1.0 - (-(0.3 * depth + 0.15 * convs + 0.2 * joins.min(4.0)) / 3.0).exp())
}

/// Mean hypervolume after 500 evaluations on genomes of the phases that `pymoo_figures.py` describes.
fn phases(table: &str, seeds: u64) -> f64 {
    let space = space("kind = 'nsga-macro'\nchannels = 8");
    let volume = |seed: u64| {
        let strategy = strategy(&format!("{table}\nseed = {seed}"));
        let mut simulation = Simulation::new(&strategy, &space, 500);
        loop {
            simulation.grow(|genome| genome);
            let fitness = |plan: Plan| Evaluation::Fitness(landscape(&plan));
            if !simulation.finish(0, |e| fitness(e.genome.plan(INPUT).expect("proposals are networks"))) {
                break;
            }
        }
        let points: Vec<Objectives> = simulation
            .population
            .iter()
            .map(|e| [-e.fitness().expect("all are evaluated"), e.cost.flops as f64 / 1e6])
            .collect();
        hypervolume(&points, [0.0, 50.0])
    };
    (0..seeds).map(volume).sum::<f64>() / seeds as f64
}

#[test]
fn genomes_are_minimised_as_by_pymoo() {
    let barrier = phases("kind = 'nsga2'\npopulation = 20", 5);
    let steady = phases("kind = 'nsga2'\npopulation = 20\nbarrier = false\nin_flight = 4", 10);
    let random = phases("kind = 'random'", 5);
    println!("generations {barrier:.1}, steady state {steady:.1}, random {random:.1}, pymoo {PYMOO_PHASES}");
    assert!(barrier > 0.98 * PYMOO_PHASES && steady > 0.98 * PYMOO_PHASES, "{barrier} and {steady}");
    assert!(barrier > random && steady > random, "no better than random search: {random}");
}

/// The two programs mean the same problem: a network and its figures, as `pymoo_figures.py` computes them.
#[test]
fn the_landscape_is_that_of_the_script() {
    let bits = [[1, 0, 1, 1, 1, 0, 1], [0; 7], [0, 1, 0, 0, 0, 1, 0]];
    let genome = genome::Genome::NsgaMacro(NsgaMacro { phases: bits.map(Vec::from).into(), channels: 8 });
    let plan = genome.plan(INPUT).expect("a network");
    assert_eq!(plan.cost().flops, 8_280_320);
    assert!((landscape(&plan) - 66.153_457).abs() < 1e-6, "{}", landscape(&plan));
}
