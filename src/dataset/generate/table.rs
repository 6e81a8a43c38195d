//! Statistics of the data set, from which rows are drawn.

/// The statistics; the head of the file describes the format.
const APS: &str = include_str!("aps.txt");

/// The probabilities at which the quantiles of each class are given.
const PROBABILITIES: [&[f64]; 2] = [
    &[
        0.0, 0.01, 0.03, 0.07, 0.13, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.87, 0.93, 0.97, 0.99,
        0.998, 1.0,
    ],
    &[0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0],
];

/// Label of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// A failure of another system.
    Neg,
    /// A failure of the air pressure system.
    Pos,
}

impl Class {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Neg => "neg",
            Self::Pos => "pos",
        }
    }

    pub(super) fn index(self) -> usize {
        match self {
            Self::Neg => 0,
            Self::Pos => 1,
        }
    }

    fn from_name(name: &str) -> Self {
        match name {
            "neg" => Self::Neg,
            "pos" => Self::Pos,
            _ => unreachable!("the table has no class `{name}`"),
        }
    }
}

/// All statistics.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) columns: Vec<Column>,
    /// Sum of the bins of a histogram.
    pub(super) total: Column,
    /// Patterns of missing groups for each class.
    pub(super) patterns: [Vec<Pattern>; 2],
    /// Rows of each class.
    pub(super) rows: [u32; 2],
}

/// One column.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    /// Group of columns that are missing together.
    pub(super) group: usize,
    pub(super) step: Step,
    /// Coupling to the vehicle's use, from 0 to 1.
    pub(super) coupling: f64,
    /// Distribution in each class.
    pub(super) values: [Distribution; 2],
}

/// Unit of the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Of(u64),
    Hundredths,
    /// A decimal without a fraction.
    Whole,
}

/// The distribution of present values.
#[derive(Debug, Default)]
pub(super) struct Distribution {
    zeros: f64,
    /// Probability and value of the values above zero, ascending; empty if all are zero.
    quantiles: Vec<(f64, f64)>,
}

/// A combination of missing groups.
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) rows: u32,
    groups: u64,
}

impl Pattern {
    pub(super) fn misses(&self, group: usize) -> bool {
        self.groups >> group & 1 == 1
    }
}

impl Distribution {
    /// Returns the value at a share of all values: its quantile.
    pub(super) fn quantile(&self, share: f64) -> f64 {
        if share < self.zeros || self.quantiles.is_empty() {
            return 0.0;
        }
        let share = (share - self.zeros) / (1.0 - self.zeros);
        let after = self.quantiles.partition_point(|&(at, _)| at <= share);
        let after = after.clamp(1, self.quantiles.len() - 1);
        let ((from, low), (to, high)) = (self.quantiles[after - 1], self.quantiles[after]);
        let part = ((share - from) / (to - from)).clamp(0.0, 1.0);
        // The mean of arithmetic and harmonic interpolation is close to geometric interpolation,
        // which suits values over several orders of magnitude, and needs only exact operations.
        let arithmetic = low + (high - low) * part;
        let harmonic = low * high / (high - (high - low) * part);
        (arithmetic * harmonic).sqrt()
    }
}

impl Table {
    pub(super) fn aps() -> Self {
        let mut columns: Vec<Column> = Vec::new();
        let mut patterns = [Vec::new(), Vec::new()];
        let mut rows = [0, 0];
        let lines = APS.lines().filter(|line| !line.starts_with('#'));
        for line in lines {
            let (kind, rest) = line.split_once(' ').expect("a line has a kind and a rest");
            let mut words = rest.split(' ');
            match kind {
                "column" | "total" => columns.push(Column::from_words(words)),
                "neg" | "pos" => {
                    let class = Class::from_name(kind).index();
                    let column = columns.last_mut().expect("a column comes first");
                    column.values[class] = Distribution::from_words(words, PROBABILITIES[class]);
                }
                "pattern" => {
                    let class = words.next().expect("a pattern has a class");
                    patterns[Class::from_name(class).index()].push(Pattern::from_words(words));
                }
                "rows" => {
                    let counts: Vec<&str> = words.collect();
                    rows = [number(counts[1]), number(counts[3])];
                }
                _ => unreachable!("the table has no line of `{kind}`"),
            }
        }
        let total = columns.pop().expect("the total comes last");
        Self {
            columns,
            total,
            patterns,
            rows,
        }
    }
}

impl Column {
    fn from_words<'a>(mut words: impl Iterator<Item = &'a str>) -> Self
    where
        'a: 'static,
    {
        let mut word = || words.next().expect("a column has four words");
        Self {
            name: word(),
            group: word().parse().unwrap_or(0),
            step: match word() {
                "d" => Step::Hundredths,
                "w" => Step::Whole,
                step => Step::Of(number(step)),
            },
            coupling: number(word()),
            values: Default::default(),
        }
    }
}

impl Distribution {
    fn from_words<'a>(mut words: impl Iterator<Item = &'a str>, probabilities: &[f64]) -> Self {
        let zeros = number(words.next().expect("a distribution has its share of zeros"));
        let values = words.filter(|&word| word != "-").map(number::<f64>);
        let quantiles: Vec<_> = probabilities.iter().copied().zip(values).collect();
        assert!(
            quantiles.is_empty() || quantiles.len() == probabilities.len(),
            "there is a quantile for every probability"
        );
        Self { zeros, quantiles }
    }
}

impl Pattern {
    fn from_words<'a>(mut words: impl Iterator<Item = &'a str>) -> Self {
        let rows = number(words.next().expect("a pattern has a number of rows"));
        let groups = words.next().expect("a pattern has its groups");
        let groups = groups.split(',').filter(|&group| group != "-");
        Self {
            rows,
            groups: groups.map(|group| 1 << number::<u32>(group)).sum(),
        }
    }
}

fn number<T: std::str::FromStr>(word: &str) -> T {
    let Ok(number) = word.parse() else {
        unreachable!("`{word}` in the table is a number");
    };
    number
}
