//! Colours of figures, in pairs for light and dark pages.
//!
//! The light ones stand in the SVG itself, so that a figure is right wherever it is opened; a page with a dark
//! background replaces each by its partner in a style sheet. Hues are those of Okabe and Ito (2008), which stay
//! apart for every kind of colour vision; marks differ in shape too.

use std::fmt::Write as _;

use plotters::style::RGBColor;

/// What a mark is drawn in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// Words and axes.
    Text,
    /// Lines behind the data.
    Grid,
    /// What is not the point: other networks, baselines.
    Quiet,
    /// Trained to the end; measured.
    Blue,
    /// Stopped; predicted.
    Vermilion,
    /// A second set.
    Green,
    /// A further set.
    Purple,
    /// A further set.
    Amber,
}

impl Ink {
    const ALL: [Self; 8] = [
        Self::Text,
        Self::Grid,
        Self::Quiet,
        Self::Blue,
        Self::Vermilion,
        Self::Green,
        Self::Purple,
        Self::Amber,
    ];

    /// On white.
    pub(crate) const fn light(self) -> RGBColor {
        match self {
            Self::Text => RGBColor(0x33, 0x3d, 0x47),
            Self::Grid => RGBColor(0xe1, 0xe5, 0xea),
            Self::Quiet => RGBColor(0x84, 0x8e, 0x99),
            Self::Blue => RGBColor(0x00, 0x6f, 0xb0),
            Self::Vermilion => RGBColor(0xc9, 0x50, 0x00),
            Self::Green => RGBColor(0x00, 0x83, 0x5f),
            Self::Purple => RGBColor(0xa8, 0x4b, 0x86),
            Self::Amber => RGBColor(0x9a, 0x72, 0x00),
        }
    }

    /// On near black.
    const fn dark(self) -> RGBColor {
        match self {
            Self::Text => RGBColor(0xc6, 0xcd, 0xd5),
            Self::Grid => RGBColor(0x2c, 0x34, 0x3d),
            Self::Quiet => RGBColor(0x87, 0x92, 0x9e),
            Self::Blue => RGBColor(0x5b, 0xb8, 0xf0),
            Self::Vermilion => RGBColor(0xff, 0x8f, 0x4a),
            Self::Green => RGBColor(0x2f, 0xc5, 0x9a),
            Self::Purple => RGBColor(0xe0, 0x93, 0xc4),
            Self::Amber => RGBColor(0xe3, 0xbb, 0x4a),
        }
    }

    /// As CSS.
    pub(crate) fn hex(self) -> String {
        hex(self.light())
    }

    /// Rules that turn every figure on the page dark.
    pub(crate) fn dark_rules() -> String {
        let mut rules = String::new();
        for ink in Self::ALL {
            let (light, dark) = (hex(ink.light()), hex(ink.dark()));
            // Infallible: a String takes all that is written to it.
            let _ = write!(
                rules,
                "svg [stroke=\"{light}\"]{{stroke:{dark}}}svg [fill=\"{light}\"]{{fill:{dark}}}"
            );
        }
        rules
    }
}

fn hex(RGBColor(red, green, blue): RGBColor) -> String {
    format!("#{red:02X}{green:02X}{blue:02X}")
}
