//! The exact least-squares fit of F(x) = a - b^(c - x) to a curve, in microseconds.
//!
//! F is the curve family of PEng4NN (arXiv 2101.04185, section 3.1), with a in given bounds, b >= 1 and c >= 0.
//! It is separable: with x0 the first x, rate λ = ln b >= 0 and amplitude κ = b^(c - x0),
//!
//! F(x) = a - κ·exp(-λ·(x - x0)),  κ >= exp(-λ·x0) (which is c >= 0).
//!
//! For a given λ the best (a, κ) is a linear least-squares problem on a convex set, solved in closed form
//! (variable projection: Golub and Pereyra, SIAM J. Numer. Anal. 10, 1973). What is left is a minimum over λ
//! alone: every descending-to-ascending bracket of a logarithmic grid is refined by the derivative, which the
//! envelope theorem gives without differentiating (a, κ).

use std::sync::LazyLock;

/// Limits of the asymptote a, in per cent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Smallest a.
    pub lowest: f64,
    /// Largest a.
    pub highest: f64,
}

/// F with its best parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// a, what the curve rises to; within its bounds exactly.
    pub asymptote: f64,
    /// κ, how far below a the curve is at x0.
    pub amplitude: f64,
    /// λ, per smallest step of x; from 0 (a constant) to 40 (a step after the first point).
    pub rate: f64,
    /// x0, the first x.
    pub start: f64,
    /// The smallest step of x.
    pub step: f64,
    /// Sum of squared residuals; infinite where they overflow.
    pub squares: f64,
}

/// Points to which nothing can be fitted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FitError {
    /// Fewer than two points.
    #[error("cannot fit a curve to {0} points: 2 are the least")]
    TooFew(usize),
    /// As many x as y are needed.
    #[error("cannot fit a curve to {xs} x and {ys} y")]
    Lengths {
        /// Number of x.
        xs: usize,
        /// Number of y.
        ys: usize,
    },
    /// A y that is NaN or infinite.
    #[error("cannot fit a curve: y {index} is {found}")]
    NotFinite {
        /// Counted from 0.
        index: usize,
        /// What was found.
        found: f64,
    },
    /// An x that is negative, not finite, above 1e9, or less than 1e-9 above the one before.
    #[error(
        "cannot fit a curve: x {index} is {found}; x must rise in steps of 1e-9 or more from 0 or above to 1e9"
    )]
    X {
        /// Counted from 0.
        index: usize,
        /// What was found.
        found: f64,
    },
}

const NODES: usize = 32;
const LANES: usize = 4;
/// 16 nodes lost the best minimum of one recorded prefix in 47,303, 24 and more lost none.
const SLOWEST: f64 = 1e-6;
const FASTEST: f64 = 40.0;

/// (λ, 1 - exp(-λ)) of each node.
static GRID: LazyLock<[(f64, f64); NODES]> = LazyLock::new(|| {
    let ratio = (FASTEST / SLOWEST).ln() / (NODES - 1) as f64;
    std::array::from_fn(|j| {
        let rate = if j == NODES - 1 { FASTEST } else { SLOWEST * (ratio * j as f64).exp() };
        (rate, -(-rate).exp_m1())
    })
});

impl Fit {
    /// F(x), in the unit of y.
    pub fn at(&self, x: f64) -> f64 {
        self.asymptote - self.amplitude * (-self.rate * ((x - self.start) / self.step)).exp()
    }

    /// False where the best fit is a constant or a step after the first point: the points then say nothing
    /// about how the curve rises.
    pub fn is_informative(&self) -> bool {
        self.rate > 0.0 && self.rate < FASTEST
    }
}

/// Fits F to the points: the global minimum of the sum of squares.
///
/// Two points are fitted by a step or a line in the limit, three usually exactly: such fits say nothing. A
/// constant or falling curve gives rate 0 and the mean.
///
/// # Errors
/// Names the point that is not finite or out of order; any finite y can be fitted.
pub fn fit(xs: &[f64], ys: &[f64], bounds: Bounds) -> Result<Fit, FitError> {
    check(xs, ys)?;
    let largest = ys.iter().fold(0.0f64, |m, y| m.max(y.abs()));
    if largest <= 1e100 {
        return Ok(Problem::new(xs, ys, bounds, 1.0).minimum());
    }
    // Squares of larger numbers overflow: fit y / largest, then scale back.
    let scaled: Vec<f64> = ys.iter().map(|y| y / largest).collect();
    let fit = Problem::new(xs, &scaled, bounds, largest).minimum();
    let asymptote = (fit.asymptote * largest).clamp(bounds.lowest, bounds.highest);
    // The amplitude of numbers near the largest that f64 holds may lie beyond it.
    let amplitude = (fit.amplitude * largest).min(f64::MAX);
    Ok(Fit { asymptote, amplitude, squares: fit.squares * largest * largest, ..fit })
}

fn check(xs: &[f64], ys: &[f64]) -> Result<(), FitError> {
    if xs.len() != ys.len() {
        return Err(FitError::Lengths { xs: xs.len(), ys: ys.len() });
    }
    if ys.len() < 2 {
        return Err(FitError::TooFew(ys.len()));
    }
    if let Some((index, &found)) = ys.iter().enumerate().find(|(_, y)| !y.is_finite()) {
        return Err(FitError::NotFinite { index, found });
    }
    let mut least = 0.0;
    for (index, &found) in xs.iter().enumerate() {
        if !(found >= least && found <= 1e9) {
            return Err(FitError::X { index, found });
        }
        least = found + 1e-9;
    }
    Ok(())
}

/// The points, centred, in units of the smallest step.
struct Problem<'a> {
    xs: &'a [f64],
    y: Vec<f64>,
    n: f64,
    mean: f64,
    /// Sum of squares about the mean.
    total: f64,
    step: f64,
    even: bool,
    /// x0 / step.
    first: f64,
    lowest: f64,
    highest: f64,
    /// κ >= floor·exp(-λ·first).
    floor: f64,
}

/// Sums over the points for one λ, with h = 1 - exp(-λ·t), w = 1 - h, t = (x - x0) / step, y centred.
#[derive(Clone, Copy, Default)]
struct Sums {
    h: f64,
    hh: f64,
    hy: f64,
    tw: f64,
    twh: f64,
    twy: f64,
}

/// The best (a, κ) for one λ.
#[derive(Clone, Copy)]
struct Point {
    rate: f64,
    /// a - mean.
    rise: f64,
    amplitude: f64,
    squares: f64,
    /// d squares / d ln λ.
    slope: f64,
}

impl<'a> Problem<'a> {
    fn new(xs: &'a [f64], ys: &[f64], bounds: Bounds, scale: f64) -> Self {
        let n = ys.len() as f64;
        let mean = ys.iter().sum::<f64>() / n;
        let y: Vec<f64> = ys.iter().map(|y| y - mean).collect();
        let steps = xs.windows(2).map(|w| w[1] - w[0]);
        let step = steps.clone().fold(f64::INFINITY, f64::min);
        let total = y.iter().map(|y| y * y).sum();
        Self {
            xs,
            y,
            n,
            mean,
            total,
            step,
            even: steps.into_iter().all(|s| s - step <= 1e-9 * step),
            first: xs[0] / step,
            lowest: bounds.lowest / scale,
            highest: bounds.highest / scale,
            floor: 1.0 / scale,
        }
    }

    fn minimum(&self) -> Fit {
        let mut best = self.constant();
        if self.total > 0.0 {
            let nodes = self.nodes();
            let slowest = self.point(SLOWEST * 1e-4);
            for pair in std::iter::once((slowest, nodes[0])).chain(nodes.windows(2).map(|w| (w[0], w[1]))) {
                if pair.0.slope < 0.0 && pair.1.slope >= 0.0 {
                    best = self.better(best, self.refine(pair.0, pair.1));
                }
            }
            best = self.better(best, nodes[NODES - 1]);
        }
        Fit {
            asymptote: (best.rise + self.mean).clamp(self.lowest, self.highest),
            amplitude: best.amplitude,
            rate: best.rate,
            start: self.xs[0],
            step: self.step,
            squares: best.squares,
        }
    }

    /// λ = 0: the mean, as far as a <= A and κ >= 1 allow.
    fn constant(&self) -> Point {
        let level = self.mean.min(self.highest - self.floor);
        let asymptote = (level + self.floor).max(self.lowest);
        let off = level - self.mean;
        Point {
            rate: 0.0,
            rise: asymptote - self.mean,
            amplitude: asymptote - level,
            squares: self.total + self.n * off * off,
            slope: 0.0,
        }
    }

    /// The one of lower squares, which are first taken from the residuals themselves.
    fn better(&self, best: Point, mut candidate: Point) -> Point {
        let residual = |(i, y): (usize, &f64)| {
            let t = if self.even { i as f64 } else { (self.xs[i] - self.xs[0]) / self.step };
            let e = y - candidate.rise + candidate.amplitude * (-candidate.rate * t).exp();
            e * e
        };
        candidate.squares = self.y.iter().enumerate().map(residual).sum();
        if candidate.squares < best.squares { candidate } else { best }
    }

    fn nodes(&self) -> [Point; NODES] {
        let mut sums = [Sums::default(); NODES];
        if self.even {
            for (group, out) in GRID.chunks_exact(LANES).zip(sums.chunks_exact_mut(LANES)) {
                let q = std::array::from_fn(|l| group[l].1);
                out.copy_from_slice(&self.even_sums::<LANES>(q));
            }
        } else {
            for (node, out) in GRID.iter().zip(&mut sums) {
                *out = self.uneven_sums(node.0);
            }
        }
        std::array::from_fn(|j| self.solve(GRID[j].0, &sums[j]))
    }

    fn point(&self, rate: f64) -> Point {
        let sums = if self.even { self.even_sums([-(-rate).exp_m1()])[0] } else { self.uneven_sums(rate) };
        self.solve(rate, &sums)
    }

    /// Sums for `L` rates at once, by the recurrence h <- h + (1 - h)·q, which does not cancel as λ -> 0.
    fn even_sums<const L: usize>(&self, q: [f64; L]) -> [Sums; L] {
        let (mut h, mut t) = ([0.0; L], 0.0);
        let (mut sh, mut shh, mut shy) = ([0.0; L], [0.0; L], [0.0; L]);
        let (mut stw, mut stwh, mut stwy) = ([0.0; L], [0.0; L], [0.0; L]);
        for &y in &self.y {
            for l in 0..L {
                let w = 1.0 - h[l];
                let tw = t * w;
                sh[l] += h[l];
                shh[l] += h[l] * h[l];
                shy[l] += h[l] * y;
                stw[l] += tw;
                stwh[l] += tw * h[l];
                stwy[l] += tw * y;
                h[l] += w * q[l];
            }
            t += 1.0;
        }
        std::array::from_fn(|l| Sums {
            h: sh[l],
            hh: shh[l],
            hy: shy[l],
            tw: stw[l],
            twh: stwh[l],
            twy: stwy[l],
        })
    }

    fn uneven_sums(&self, rate: f64) -> Sums {
        let mut s = Sums::default();
        for (&x, &y) in self.xs.iter().zip(&self.y) {
            let t = (x - self.xs[0]) / self.step;
            let h = -(-rate * t).exp_m1();
            let tw = t * (1.0 - h);
            s.h += h;
            s.hh += h * h;
            s.hy += h * y;
            s.tw += tw;
            s.twh += tw * h;
            s.twy += tw * y;
        }
        s
    }

    /// The best feasible (a, κ): the free minimum, or the best of the edges of the feasible set.
    fn solve(&self, rate: f64, s: &Sums) -> Point {
        let floor = if self.first > 0.0 { self.floor * (-rate * self.first).exp() } else { self.floor };
        let (low, high) = (self.lowest - self.mean, self.highest - self.mean);
        let spread = s.hh - s.h * s.h / self.n;
        let amplitude = s.hy / spread;
        let rise = amplitude * (1.0 - s.h / self.n);
        if amplitude >= floor && rise >= low && rise <= high {
            return self.valued(rate, s, rise, amplitude, false);
        }
        let (w, ww) = (self.n - s.h, self.n - 2.0 * s.h + s.hh);
        let edge = |rise: f64| {
            let amplitude = (rise * w + s.hy) / ww;
            self.valued(rate, s, rise, amplitude.max(floor), amplitude <= floor)
        };
        let on_floor = self.valued(rate, s, (floor * w / self.n).clamp(low, high), floor, true);
        let at = |a: Point, b: Point| if b.squares < a.squares { b } else { a };
        at(at(on_floor, edge(low)), edge(high))
    }

    fn valued(&self, rate: f64, s: &Sums, rise: f64, amplitude: f64, on_floor: bool) -> Point {
        // Residual e = y + off - κ·h.
        let off = amplitude - rise;
        let squares = self.total + self.n * off * off + amplitude * amplitude * s.hh
            - 2.0 * amplitude * (s.hy + off * s.h);
        let mut moment = s.twy + off * s.tw - amplitude * s.twh;
        if on_floor {
            // The floor of κ itself moves with λ.
            moment += self.first * (off * (self.n - s.h) - s.hy - amplitude * (s.h - s.hh));
        }
        Point { rate, rise, amplitude, squares, slope: -2.0 * rate * amplitude * moment }
    }

    /// The zero of the slope between a descending and an ascending point: regula falsi in ln λ (Illinois), with
    /// bisection where that is slow.
    fn refine(&self, low: Point, high: Point) -> Point {
        let (mut a, mut b) = (low.rate.ln(), high.rate.ln());
        let (mut fa, mut fb) = (low.slope, high.slope);
        let mut best = if low.squares < high.squares { low } else { high };
        let mut side = 0;
        for turn in 0..60 {
            let falsi = (a * fb - b * fa) / (fb - fa);
            let x = if turn % 8 == 7 || !(falsi > a && falsi < b) { f64::midpoint(a, b) } else { falsi };
            let point = self.point(x.exp());
            best = point;
            if point.slope < 0.0 {
                let moved = x - a;
                (a, fa) = (x, point.slope);
                fb *= if side == -1 { 0.5 } else { 1.0 };
                side = -1;
                if moved < 1e-9 && b - a < 1e-6 {
                    break;
                }
            } else {
                let moved = b - x;
                (b, fb) = (x, point.slope);
                fa *= if side == 1 { 0.5 } else { 1.0 };
                side = 1;
                if moved < 1e-9 && b - a < 1e-6 {
                    break;
                }
            }
            if point.slope == 0.0 || b - a < 1e-10 {
                break;
            }
        }
        best
    }
}
