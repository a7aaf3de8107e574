//! Predicted against true, drawn.

use crate::Citation;
use crate::cell::Cell;
use crate::epochs::decimals;
use crate::figure::{Axis, Figure, Layer, Marks};
use crate::known::Known;
use crate::palette::Ink;
use crate::table::Table;

/// Rows of a table below a figure, and about as many marks in it.
const SHOWN: usize = 2_000;

/// Evenly picked, if there are more than the eye can tell apart.
pub(crate) fn thinned(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let step = points.len().div_ceil(SHOWN).max(1);
    points.into_iter().step_by(step).collect()
}

/// The ranks of the jobs, in their order.
struct Places {
    believed: Vec<f64>,
    truth: Vec<f64>,
}

impl Places {
    fn of(jobs: &[Known]) -> Self {
        Self {
            believed: places(jobs.iter().map(|k| k.believed_fitness)),
            truth: places(jobs.iter().map(|k| k.true_fitness)),
        }
    }
}

/// Places from 1, the highest value first; equals share the first of their places.
#[expect(clippy::float_cmp, reason = "a tie is equality")]
fn places(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut sorted: Vec<(f64, usize)> = values.zip(0..).collect();
    sorted.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let (mut places, mut before) = (vec![0.0; sorted.len()], 0);
    for tied in sorted.chunk_by(|a, b| a.0 == b.0) {
        for &(_, at) in tied {
            places[at] = before as f64 + 1.0;
        }
        before += tied.len();
    }
    places
}

/// What the figures of a ranking are drawn from.
pub(super) struct Figures<'a> {
    citation: &'a Citation,
    jobs: &'a [Known],
    places: Places,
}

impl<'a> Figures<'a> {
    pub(super) fn of(citation: &'a Citation, jobs: &'a [Known]) -> Self {
        Self { citation, jobs, places: Places::of(jobs) }
    }

    /// Marks of the jobs with and without a decision to stop before the end, each where `at` says.
    fn marks(&self, stops: bool, at: impl Fn(usize, &Known) -> (f64, f64)) -> Vec<(f64, f64)> {
        let of = self.jobs.iter().enumerate().filter(|(_, k)| k.stops(self.citation.max_epochs) == stops);
        thinned(of.map(|(i, k)| at(i, k)).collect())
    }

    pub(super) fn scatter(&self) -> Option<Figure> {
        if self.jobs.len() < 2 {
            return None;
        }
        let of = |stops| self.marks(stops, |_, k| (k.believed_fitness, k.true_fitness));
        let both = || self.jobs.iter().flat_map(|k| [k.believed_fitness, k.true_fitness]);
        let axis = Axis::around("", both());
        let (x, y) = (
            Axis { label: "predicted final accuracy, %".into(), ..axis.clone() },
            Axis { label: "true final accuracy, %".into(), ..axis.clone() },
        );
        Some(Figure {
            key: "scatter",
            title: "Predicted against true final accuracy".to_owned(),
            caption: format!(
                "{} networks whose truth is known. On the line a prediction is exact; above it the network turned out \
                 better than predicted. Networks without a decision to stop lie on the line by definition.",
                self.jobs.len()
            ),
            x,
            y,
            layers: vec![
                Layer::new(
                    "predicted equals true",
                    Ink::Quiet,
                    Marks::Dashes(vec![(axis.low, axis.low), (axis.high, axis.high)]),
                ),
                Layer::new("no decision to stop", Ink::Blue, Marks::Rings(of(false))).opacity(0.7),
                Layer::new("stopped, or would have been", Ink::Vermilion, Marks::Dots(of(true))).opacity(0.7),
            ],
            numbers: self.numbers(),
        })
    }

    pub(super) fn ranks(&self) -> Option<Figure> {
        if self.jobs.len() < 3 {
            return None;
        }
        let points = |stops| self.marks(stops, |i, _| (self.places.believed[i], self.places.truth[i]));
        let last = self.jobs.len() as f64;
        let tenth = (last / 10.0).ceil();
        let axis = |label: &str| Axis { label: label.into(), low: 1.0 - last * 0.03, high: last * 1.03 };
        Some(Figure {
            key: "ranks",
            title: "Predicted against true rank".to_owned(),
            caption: format!(
                "Rank 1 is the best. The dashed lines bound the top {tenth} of {last}: to the left of the upright one \
                 lies what the search would pick, below the level one what it should."
            ),
            x: axis("rank by prediction"),
            y: axis("true rank"),
            layers: vec![
                Layer::new(
                    "the top tenth",
                    Ink::Quiet,
                    Marks::Dashes(vec![(tenth + 0.5, axis("").low), (tenth + 0.5, axis("").high)]),
                ),
                Layer {
                    name: None,
                    ..Layer::new(
                        "",
                        Ink::Quiet,
                        Marks::Dashes(vec![(axis("").low, tenth + 0.5), (axis("").high, tenth + 0.5)]),
                    )
                },
                Layer::new("no decision to stop", Ink::Blue, Marks::Rings(points(false))).opacity(0.7),
                Layer::new("stopped, or would have been", Ink::Vermilion, Marks::Dots(points(true)))
                    .opacity(0.7),
            ],
            numbers: Table::default(),
        })
    }

    fn numbers(&self) -> Table {
        let columns = [
            ("job_id", "#job"),
            ("stop_epoch", "#decision at epoch"),
            ("believed_fitness", "#predicted, %"),
            ("interval_80", "#80 % interval"),
            ("observed_fitness", "#observed there, %"),
            ("true_fitness", "#true, %"),
            ("error", "#predicted less true"),
            ("believed_rank", "#predicted rank"),
            ("true_rank", "#true rank"),
        ];
        let caption = if self.jobs.len() > SHOWN {
            format!("the first {SHOWN} of {} networks; JSON has all", self.jobs.len())
        } else {
            format!("{} networks, predicted and true accuracy and rank", self.jobs.len())
        };
        let mut table = Table::new("known", caption, &columns);
        let ranks = self.places.believed.iter().zip(&self.places.truth);
        for (k, (&b, &t)) in self.jobs.iter().zip(ranks).take(SHOWN) {
            let interval = k.low_80.zip(k.high_80).filter(|_| k.stops(self.citation.max_epochs));
            table.push(vec![
                Cell::Id(k.job_id),
                Cell::number(k.stop_epoch, decimals(self.citation.interval)),
                Cell::Number(k.believed_fitness, 2),
                Cell::Interval(interval, 2),
                Cell::two(k.observed_fitness),
                Cell::Number(k.true_fitness, 2),
                Cell::Number(k.believed_fitness - k.true_fitness, 2),
                Cell::Number(b, 0),
                Cell::Number(t, 0),
            ]);
        }
        table
    }
}
