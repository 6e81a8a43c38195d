//! The fleet as a wall of cells, one per vehicle, or per group of vehicles in a large fleet.

use std::fmt::Write as _;

use crate::report::html::svg::{Color, WIDTH, color};
use crate::text::quantity;

/// Most cells. A larger fleet shows groups of vehicles.
const MOST_CELLS: usize = 4_096;

/// Largest cell, in the units of the charts.
const LARGEST: f64 = 20.0;

/// How long ago a vehicle's last reading arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Age {
    /// In the last second.
    Now,
    /// One to three seconds ago.
    Seconds,
    /// Up to fifteen seconds ago.
    Earlier,
    /// Longer ago.
    Silent,
    /// None arrived.
    Never,
}

impl Age {
    const ALL: [Self; 5] = [
        Self::Now,
        Self::Seconds,
        Self::Earlier,
        Self::Silent,
        Self::Never,
    ];

    /// Returns the age of a reading that arrived this many seconds ago.
    pub fn of(seconds: Option<u64>) -> Self {
        match seconds {
            None => Self::Never,
            Some(0) => Self::Now,
            Some(1..=3) => Self::Seconds,
            Some(4..=15) => Self::Earlier,
            Some(_) => Self::Silent,
        }
    }

    fn color(self) -> Color {
        match self {
            Self::Now => color("w0", "#38a169"),
            Self::Seconds => color("w1", "#9ae6b4"),
            Self::Earlier => color("w2", "#cbd5e0"),
            Self::Silent => color("w3", "#ed8936"),
            Self::Never => color("w4", "#edf2f7"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Now => "in the last second",
            Self::Seconds => "1–3 s ago",
            Self::Earlier => "4–15 s ago",
            Self::Silent => "longer ago",
            Self::Never => "none yet",
        }
    }
}

/// Draws the wall. A cell of a group has the age of the vehicle that was silent longest.
pub fn wall(ages: &[Age]) -> String {
    let vehicles = ages.len();
    let group = vehicles.div_ceil(MOST_CELLS).max(1);
    let cells: Vec<Age> = ages
        .chunks(group)
        .filter_map(|group| group.iter().max().copied())
        .collect();
    let columns = columns(cells.len());
    let cell = WIDTH / columns as f64;
    let rows = cells.len().div_ceil(columns);
    let height = rows as f64 * cell + 46.0;
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" viewBox="0 0 {WIDTH} {height:.1}" role="img" font-family="system-ui,sans-serif" font-size="12" data-columns="{columns}" data-cell="{cell}" data-vehicles="{vehicles}" data-group="{group}"><title>Last reading of each vehicle</title>"#
    );
    for age in Age::ALL {
        boxes(&mut svg, &cells, age, columns);
    }
    for (index, age) in Age::ALL.into_iter().enumerate() {
        let number = ages.iter().filter(|it| **it == age).count();
        let name = format!("{}: {}", age.name(), quantity::count(number as u64));
        let Color { class, value } = age.color();
        let x = (index % 3) as f64 * 213.0;
        let top = height - 36.0 + (index / 3) as f64 * 22.0;
        let _ = write!(
            svg,
            r##"<rect class="{class}" fill="{value}" x="{x:.1}" y="{top:.1}" width="12" height="8"/><text class="label" fill="#1a202c" x="{:.1}" y="{:.1}">{name}</text>"##,
            x + 16.0,
            top + 8.0
        );
    }
    svg + "</svg>"
}

/// Returns how many cells a row has, so that the wall is about twice as wide as high.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a small number that is not negative"
)]
fn columns(cells: usize) -> usize {
    let least = (WIDTH / LARGEST).ceil();
    (2.0 * cells as f64).sqrt().ceil().max(least) as usize
}

fn boxes(svg: &mut String, cells: &[Age], age: Age, columns: usize) {
    let size = WIDTH / columns as f64;
    let inner = size * 0.86;
    let mut path = String::new();
    let of_age = cells.iter().enumerate().filter(|(_, it)| **it == age);
    for (index, _) in of_age {
        let (x, y) = ((index % columns) as f64, (index / columns) as f64);
        let (x, y) = (x * size, y * size);
        let _ = write!(path, "M{x:.1} {y:.1}h{inner:.1}v{inner:.1}h-{inner:.1}z");
    }
    if !path.is_empty() {
        let Color { class, value } = age.color();
        let _ = write!(svg, r#"<path class="{class}" fill="{value}" d="{path}"/>"#);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(svg: &str) -> usize {
        svg.matches('M').count()
    }

    #[test]
    fn each_vehicle_has_a_cell_up_to_some_thousands() {
        for (vehicles, expected) in [(1, 1), (50, 50), (1_000, 1_000), (4_096, 4_096)] {
            assert_eq!(cells(&wall(&vec![Age::Now; vehicles])), expected);
        }
        for vehicles in [4_097, 10_000, 262_144] {
            let drawn = cells(&wall(&vec![Age::Now; vehicles]));
            assert!((1_000..=MOST_CELLS).contains(&drawn), "{vehicles}: {drawn}");
        }
    }

    #[test]
    fn group_is_as_old_as_its_oldest_vehicle() {
        let mut ages = vec![Age::Now; 2 * MOST_CELLS];
        ages[1] = Age::Silent;
        let svg = wall(&ages);
        let silent = Age::Silent.color().class;
        assert_eq!(
            svg.matches(&format!(r#"<path class="{silent}""#)).count(),
            1
        );
        assert!(svg.contains("longer ago: 1"));
    }

    #[test]
    fn age_of_a_reading_grows_until_the_vehicle_is_silent() {
        let ages = [None, Some(0), Some(2), Some(9), Some(16)].map(Age::of);
        let expected = [
            Age::Never,
            Age::Now,
            Age::Seconds,
            Age::Earlier,
            Age::Silent,
        ];
        assert_eq!(ages, expected);
    }

    #[test]
    fn wall_without_vehicles_is_empty() {
        assert_eq!(cells(&wall(&[])), 0);
    }
}
