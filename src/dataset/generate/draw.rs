//! Draws one row from the statistics.

use crate::dataset::generate::random::Random;
use crate::dataset::generate::table::{Class, Column, Step, Table};

/// Prefixes of the bins of each histogram. In one row, all histograms have the same sum.
const HISTOGRAMS: [&str; 7] = ["ag_", "ay_", "az_", "ba_", "cn_", "cs_", "ee_"];

/// Columns that repeat another column, and the number of rows in 10,000 that differ.
const REPEATED: [(&str, &str, u32); 4] = [
    ("bg_000", "ah_000", 3),
    ("bu_000", "bb_000", 34),
    ("bv_000", "bu_000", 23),
    ("cq_000", "bu_000", 14),
];

/// Columns of the distance driven, without and with decimals.
const DISTANCE: (&str, &str) = ("aa_000", "bt_000");

/// Maximum deviation of a column from the vehicle's use, as a share of all ranks.
const STRAY: f64 = 0.08;

/// A value to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cell {
    Missing,
    Integer(u64),
    Hundredths(u64),
    /// A decimal without a fraction, written as one.
    Whole(u64),
}

/// A row to write.
pub(super) struct DrawnRow {
    pub(super) class: Class,
    pub(super) cells: Vec<Cell>,
}

/// A row being drawn.
pub(super) struct Draw<'a> {
    table: &'a Table,
    random: &'a mut Random,
    class: Class,
    /// Rank of the vehicle by use within its class, in [0, 1).
    usage: f64,
    /// Values in units of one, or of a hundredth for decimals.
    values: Vec<u64>,
}

impl<'a> Draw<'a> {
    pub(super) fn new(table: &'a Table, random: &'a mut Random) -> Self {
        let [neg, pos] = table.rows;
        let class = if random.below(neg + pos) < pos {
            Class::Pos
        } else {
            Class::Neg
        };
        let usage = random.unit();
        Self {
            table,
            random,
            class,
            usage,
            values: Vec::with_capacity(table.columns.len()),
        }
    }

    pub(super) fn row(mut self) -> DrawnRow {
        for column in &self.table.columns {
            let value = self.value(column);
            self.values.push(value);
        }
        let total = self.value(&self.table.total);
        for prefix in HISTOGRAMS {
            self.fit_histogram(prefix, total);
        }
        self.repeat_columns();
        let cells = self.cells();
        DrawnRow {
            class: self.class,
            cells,
        }
    }

    /// Draws a value of a column's distribution.
    fn value(&mut self, column: &Column) -> u64 {
        let follows = self.random.unit() < column.coupling;
        let chance = self.random.unit();
        let rank = if follows {
            reflect(self.usage + (chance - 0.5) * STRAY * (1.0 - column.coupling * column.coupling))
        } else {
            chance
        };
        let value = column.values[self.class.index()].quantile(rank);
        match column.step {
            Step::Hundredths => whole(value * 100.0),
            Step::Whole => whole(value),
            Step::Of(step) => whole(value / step as f64) * step,
        }
    }

    /// Scales the bins of a histogram to a sum, in even numbers.
    fn fit_histogram(&mut self, prefix: &str, total: u64) {
        let columns = &self.table.columns;
        let first = columns.iter().position(|c| c.name.starts_with(prefix));
        let first = first.expect("the table has every histogram");
        let bins = columns[first..]
            .iter()
            .take_while(|c| c.name.starts_with(prefix))
            .count();
        let bins = &mut self.values[first..first + bins];
        let sum: u64 = bins.iter().sum();
        let scale = if sum == 0 {
            0.0
        } else {
            total as f64 / sum as f64
        };
        for bin in bins.iter_mut() {
            *bin = whole(*bin as f64 * scale / 2.0) * 2;
        }
        let scaled: u64 = bins.iter().sum();
        let middle = bins.len() / 2;
        let largest = (0..bins.len()).max_by_key(|&bin| (bins[bin], bin == middle));
        let largest = &mut bins[largest.expect("a histogram has bins")];
        // The rounding error is small compared with the largest bin.
        *largest = (*largest + total).saturating_sub(scaled);
    }

    /// Copies repeated columns, and adds decimals to the distance.
    fn repeat_columns(&mut self) {
        for (column, original, not) in REPEATED {
            if self.random.below(10_000) >= not {
                let original = self.values[self.index(original)];
                let column = self.index(column);
                self.values[column] = original;
            }
        }
        let (whole, precise) = (self.index(DISTANCE.0), self.index(DISTANCE.1));
        let hundredths = self.values[whole] * 100 + u64::from(self.random.below(200));
        self.values[precise] = hundredths.saturating_sub(100);
    }

    fn index(&self, name: &str) -> usize {
        let columns = &self.table.columns;
        let found = columns.iter().position(|column| column.name == name);
        found.expect("the table has every column")
    }

    /// Returns the cells, with a pattern of missing values.
    fn cells(&mut self) -> Vec<Cell> {
        let patterns = &self.table.patterns[self.class.index()];
        let mut left = self.random.below(patterns.iter().map(|p| p.rows).sum());
        let pattern = patterns.iter().find(|pattern| {
            let found = left < pattern.rows;
            left = left.saturating_sub(pattern.rows);
            found
        });
        let pattern = pattern.expect("the draw is below the sum of all patterns");
        let columns = self.table.columns.iter().zip(&self.values);
        let cell = |(column, &value): (&Column, &u64)| match column.step {
            _ if pattern.misses(column.group) => Cell::Missing,
            Step::Hundredths => Cell::Hundredths(value),
            Step::Whole => Cell::Whole(value),
            Step::Of(_) => Cell::Integer(value),
        };
        columns.map(cell).collect()
    }
}

/// Reflects a rank slightly outside of [0, 1) into it.
fn reflect(rank: f64) -> f64 {
    let rank = rank.abs();
    if rank < 1.0 {
        rank
    } else {
        (2.0 - rank).min(1.0 - f64::EPSILON)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "values are below 2^53 and not negative"
)]
fn whole(value: f64) -> u64 {
    value.round() as u64
}
