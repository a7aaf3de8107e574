//! Figures: what is drawn, and drawing it as SVG.

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::palette::Ink;
use crate::{ReportError, table::Table};

/// A drawing, its description, and the numbers in it.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Name, unique in a report.
    pub key: &'static str,
    /// What it shows.
    pub title: String,
    /// How to read it, and what is seen in it: for those who cannot see it too.
    pub caption: String,
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
    /// Marks, the hindmost first.
    pub layers: Vec<Layer>,
    /// All numbers that are drawn.
    pub numbers: Table,
}

/// One axis of a figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// What it measures, with the unit.
    pub label: String,
    /// Left or lower end.
    pub low: f64,
    /// Right or upper end.
    pub high: f64,
}

/// Marks of one kind.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Its name in the legend; none for marks that need none.
    pub name: Option<String>,
    /// Colour.
    pub ink: Ink,
    /// How dark, from 0 to 1.
    pub opacity: f64,
    /// What is drawn.
    pub marks: Marks,
}

/// What is drawn.
#[derive(Clone, Debug)]
pub enum Marks {
    /// Lines through points.
    Lines(Vec<Vec<(f64, f64)>>),
    /// One line of dashes.
    Dashes(Vec<(f64, f64)>),
    /// Filled circles.
    Dots(Vec<(f64, f64)>),
    /// Empty circles.
    Rings(Vec<(f64, f64)>),
    /// Crosses.
    Crosses(Vec<(f64, f64)>),
    /// From x, to x, height.
    Bars(Vec<(f64, f64, f64)>),
    /// Vertical: x, from y, to y.
    Whiskers(Vec<(f64, f64, f64)>),
}

/// How large a figure is drawn, in CSS pixels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub width: u32,
    pub height: u32,
    pub font: u32,
}

/// For a page on a desk.
pub(crate) const WIDE: Size = Size { width: 880, height: 430, font: 17 };
/// For a page in the hand.
pub(crate) const NARROW: Size = Size { width: 350, height: 310, font: 16 };

impl Axis {
    /// An axis that holds all values, with a little room at both ends.
    pub fn around(label: impl Into<String>, values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = values
            .filter(|v| v.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        let (low, high) = if low > high { (0.0, 1.0) } else { (low, high) };
        let room = ((high - low) * 0.04).max(high.abs() * 1e-6).max(1e-9);
        let room = if high - low < 1e-9 { room.max(0.5) } else { room };
        Self { label: label.into(), low: low - room, high: high + room }
    }

    /// Moves the lower end, where nothing lies below it.
    pub fn from(mut self, low: f64) -> Self {
        self.low = low;
        self.high = self.high.max(low + 1e-9);
        self
    }

    /// Ends no higher than this, plus a little.
    pub fn within(mut self, low: f64, high: f64) -> Self {
        let room = (high - low) * 0.01;
        self.low = self.low.max(low - room);
        self.high = self.high.min(high + room);
        self
    }
}

impl Layer {
    /// Marks with a name.
    pub fn new(name: impl Into<String>, ink: Ink, marks: Marks) -> Self {
        Self { name: Some(name.into()), ink, opacity: 1.0, marks }
    }

    /// Lets what is behind show through.
    pub fn opacity(mut self, opacity: f64) -> Self {
        self.opacity = opacity;
        self
    }

    fn is_empty(&self) -> bool {
        match &self.marks {
            Marks::Lines(lines) => lines.is_empty(),
            Marks::Dashes(points) | Marks::Dots(points) | Marks::Rings(points) | Marks::Crosses(points) => {
                points.is_empty()
            }
            Marks::Bars(bars) | Marks::Whiskers(bars) => bars.is_empty(),
        }
    }
}

impl Figure {
    /// The layers that have a name and something to show.
    pub(crate) fn legend(&self) -> impl Iterator<Item = (&str, &Layer)> {
        self.layers.iter().filter(|l| !l.is_empty()).filter_map(|l| Some((l.name.as_deref()?, l)))
    }

    /// A figure that stands alone: an SVG file with its legend in it.
    ///
    /// # Errors
    /// [`ReportError::Figure`] if it cannot be drawn.
    pub fn svg(&self) -> Result<String, ReportError> {
        let svg = self.draw(WIDE, true)?;
        let style = format!(
            "<style>@media(prefers-color-scheme:dark){{svg{{background:#12171d}}{}}}</style>",
            Ink::dark_rules()
        );
        Ok(svg.replacen('>', &format!(">{style}"), 1))
    }

    /// Draws it at a size; whoever embeds it names it.
    pub(crate) fn draw(&self, size: Size, legend: bool) -> Result<String, ReportError> {
        let mut svg = String::new();
        let lines = if legend { self.legend().count() as u32 } else { 0 };
        let height = size.height + lines * (size.font + 6);
        {
            let root = SVGBackend::with_string(&mut svg, (size.width, height)).into_drawing_area();
            let drawn = self.draw_legend(&root, size, lines).and_then(|()| {
                let (_, below) = root.split_vertically(lines * (size.font + 6));
                self.draw_chart(&below, size)?;
                root.present()
            });
            drawn.map_err(|error| ReportError::Figure {
                figure: self.title.clone(),
                message: error.to_string(),
            })?;
        }
        let fixed = format!("width=\"{}\" height=\"{height}\" ", size.width);
        Ok(svg.replacen(&fixed, "", 1).replace("\n\n", "\n"))
    }

    fn draw_legend<DB: DrawingBackend>(
        &self,
        root: &DrawingArea<DB, Shift>,
        size: Size,
        lines: u32,
    ) -> Drawn<DB> {
        if lines == 0 {
            return Ok(());
        }
        for (line, (name, layer)) in self.legend().enumerate() {
            let y = (line as u32 * (size.font + 6) + size.font / 2 + 4) as i32;
            let ink = layer.ink.light();
            match &layer.marks {
                Marks::Dots(_) => root.draw(&Circle::new((14, y), 4, ink.filled()))?,
                Marks::Rings(_) => root.draw(&Circle::new((14, y), 4, ink.stroke_width(2)))?,
                Marks::Crosses(_) => root.draw(&Cross::new((14, y), 4, ink.stroke_width(2)))?,
                Marks::Bars(_) => root.draw(&Rectangle::new([(8, y - 5), (20, y + 5)], ink.filled()))?,
                _ => root.draw(&PathElement::new(vec![(4, y), (24, y)], ink.stroke_width(2)))?,
            }
            let style = text(size.font, Ink::Text).pos(Pos::new(HPos::Left, VPos::Center));
            root.draw(&Text::new(name.to_owned(), (32, y), style))?;
        }
        Ok(())
    }

    fn draw_chart<DB: DrawingBackend>(&self, root: &DrawingArea<DB, Shift>, size: Size) -> Drawn<DB> {
        root.draw(&Text::new(self.y.label.clone(), (2, 2), text(size.font, Ink::Text)))?;
        let widest = [self.y.low, self.y.high, f64::midpoint(self.y.low, self.y.high)]
            .into_iter()
            .map(|v| self.y.tick(v).chars().count())
            .max()
            .unwrap_or(1);
        let mut chart = ChartBuilder::on(root)
            .margin_top(size.font + 12)
            .margin_right(14)
            .x_label_area_size(size.font * 3)
            .y_label_area_size(widest as u32 * size.font * 6 / 10 + 10)
            .build_cartesian_2d(self.x.low..self.x.high, self.y.low..self.y.high)?;
        let wide = size.width > 500;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_labels(if wide { 12 } else { 6 })
            .y_labels(if wide { 7 } else { 6 })
            .max_light_lines(1)
            .x_label_formatter(&|value| self.x.tick(*value))
            .y_label_formatter(&|value| self.y.tick(*value))
            .x_desc(self.x.label.clone())
            .label_style(text(size.font, Ink::Text))
            .axis_desc_style(text(size.font, Ink::Text))
            .axis_style(Ink::Quiet.light())
            .bold_line_style(Ink::Grid.light())
            .light_line_style(TRANSPARENT)
            .draw()?;
        for layer in &self.layers {
            layer.draw(&mut chart, i32::from(wide))?;
        }
        Ok(())
    }
}

type Drawn<DB> = Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;
type Chart<'a, DB> = ChartContext<'a, DB, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

fn text(font: u32, ink: Ink) -> TextStyle<'static> {
    ("system-ui, sans-serif", font).into_font().color(&ink.light())
}

impl Axis {
    /// A number at a tick, with as many decimals as the axis needs.
    fn tick(&self, value: f64) -> String {
        let span = self.high - self.low;
        if span >= 5_000.0 {
            let text = crate::cell::large(value);
            return match text.split_once(' ') {
                Some((number, unit)) if number.contains('.') => {
                    format!("{} {unit}", number.trim_end_matches('0').trim_end_matches('.'))
                }
                _ => text,
            };
        }
        let decimals = (1.0 - span.log10().floor()).clamp(0.0, 6.0) as usize;
        let decimals = if span >= 8.0 { 0 } else { decimals };
        crate::cell::fixed(value, decimals)
    }
}

impl Layer {
    fn draw<DB: DrawingBackend>(&self, chart: &mut Chart<'_, DB>, more: i32) -> Drawn<DB> {
        let ink = self.ink.light().mix(self.opacity);
        let thin = ShapeStyle { color: ink, filled: false, stroke_width: 1 };
        let thick = ShapeStyle { color: ink, filled: false, stroke_width: 2 };
        match &self.marks {
            Marks::Lines(lines) => {
                let style = if lines.len() > 8 { thin } else { thick };
                chart.draw_series(lines.iter().map(|line| PathElement::new(line.clone(), style)))?;
            }
            Marks::Dashes(points) => {
                chart.draw_series(DashedLineSeries::new(points.clone(), 5, 4, thin))?;
            }
            Marks::Dots(points) => {
                chart.draw_series(points.iter().map(|&p| Circle::new(p, 3 + more, ink.filled())))?;
            }
            Marks::Rings(points) => {
                chart.draw_series(points.iter().map(|&p| Circle::new(p, 3 + more, thick)))?;
            }
            Marks::Crosses(points) => {
                chart.draw_series(points.iter().map(|&p| Cross::new(p, 3 + more, thick)))?;
            }
            Marks::Bars(bars) => {
                chart.draw_series(bars.iter().map(|&(from, to, height)| {
                    let mut bar = Rectangle::new([(from, 0.0), (to, height)], ink.filled());
                    bar.set_margin(0, 0, 1, 1);
                    bar
                }))?;
            }
            Marks::Whiskers(whiskers) => {
                chart.draw_series(
                    whiskers.iter().map(|&(x, low, high)| PathElement::new(vec![(x, low), (x, high)], thick)),
                )?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_have_the_decimals_that_their_axis_needs() {
        let table = [
            (0.0, 1.2e9, 1.1e9, "1.1 G", "no zeros at the end"),
            (0.0, 1.2e9, 1e9, "1 G", "no point"),
            (0.0, 2e5, 2e4, "20 k", "zeros before the point stay"),
            (0.0, 25.0, 5.0, "5", "epochs"),
            (-1.6, 1.6, -0.5, "\u{2212}0.5", "a minus, not a hyphen"),
        ];
        for (low, high, value, expected, why) in table {
            let axis = Axis { label: String::new(), low, high };
            assert_eq!(axis.tick(value), expected, "{why}");
        }
    }
}
