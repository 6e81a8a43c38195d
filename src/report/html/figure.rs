//! What charts have in common: titles, colors of series, numbers on axes.

use crate::report::html::svg::{Color, color};
use crate::text::quantity;

pub const EMITTED: Color = color("s0", "#718096");
pub const ACKED: Color = color("s1", "#2b6cb0");
pub const STORED: Color = color("s3", "#c05621");
pub const BACKLOG: Color = color("s4", "#6b46c1");

/// A chart, its title, and one sentence that says how to read it.
#[derive(Debug)]
pub struct Figure {
    pub title: &'static str,
    pub caption: &'static str,
    pub svg: String,
}

impl Figure {
    /// Returns the chart with its title and caption.
    pub fn html(&self) -> String {
        let Self {
            title,
            caption,
            svg,
        } = self;
        format!("<h2>{title}</h2>\n<p class=\"caption\">{caption}</p>\n{svg}\n")
    }
}

/// Formats microseconds on an axis without needless digits.
pub fn microseconds(us: f64) -> String {
    let (value, unit) = match us {
        us if us < 1e3 => (us, "µs"),
        us if us < 1e6 => (us / 1e3, "ms"),
        us => (us / 1e6, "s"),
    };
    let value = (value * 100.0).round() / 100.0;
    format!("{value} {unit}")
}

/// Formats a count on an axis.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "ticks are not negative"
)]
pub fn number(value: f64) -> String {
    if value.fract() == 0.0 {
        quantity::count(value as u64)
    } else {
        quantity::significant(value)
    }
}
