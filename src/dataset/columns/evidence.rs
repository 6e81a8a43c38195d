//! What the cells of a column say about its type.

use std::fmt;

use crate::dataset::columns::cell::{CLASSES, Cell, Class};
use crate::dataset::columns::date;
use crate::dataset::columns::number::DecimalPoint;
use crate::dataset::schema::ColumnType;

/// Cells that are remembered of each class.
const CELLS: usize = 3;

/// Length at which a shown value is cut, in bytes.
const SHOWN: usize = 48;

/// A cell that decided about a type.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct CellAt {
    /// Path of the file; `None` if the dataset has one file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line of the row, from 1.
    pub line: u64,
    /// Text of the cell, cut if it is long.
    pub value: String,
}

/// The line of a row, and the number of its file.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub file: usize,
    pub line: u64,
}

/// Cells of a column, counted by class.
#[derive(Debug)]
pub struct Evidence {
    pub missing: u64,
    /// Times without a zone.
    pub zone_assumed: u64,
    counts: [u64; CLASSES],
    cells: Vec<Remembered>,
    integers: Range<i128>,
    decimals: Range<f64>,
    dates: Range<i64>,
    texts: TextRange,
}

/// A cell with its class.
#[derive(Debug, Clone)]
pub struct Remembered {
    pub class: Class,
    pub place: Place,
    pub value: String,
}

#[derive(Debug, Clone, Copy, Default)]
struct Range<T>(Option<(T, T)>);

#[derive(Debug, Default)]
struct TextRange(Option<(String, String)>);

/// Smallest value, largest value and first value of a column, as shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Extent {
    /// Smallest value.
    pub min: Option<String>,
    /// Largest value.
    pub max: Option<String>,
    /// First value.
    pub example: Option<String>,
}

impl Evidence {
    pub fn new() -> Self {
        Self {
            missing: 0,
            zone_assumed: 0,
            counts: [0; CLASSES],
            cells: Vec::new(),
            integers: Range(None),
            decimals: Range(None),
            dates: Range(None),
            texts: TextRange(None),
        }
    }

    /// Adds a present cell.
    pub fn see(&mut self, text: &str, place: Place, point: DecimalPoint) {
        let cell = Cell::new(text, point);
        match cell {
            Cell::Integer(number) => self.integers.widen(number),
            Cell::Decimal(decimal) => self.decimals.widen(decimal.value),
            Cell::Date(date) => {
                self.dates.widen(date.unix_ms);
                self.zone_assumed += u64::from(date.zone_assumed);
            }
            Cell::Boolean | Cell::LikeNumber(_) | Cell::Text => {}
        }
        self.texts.widen(text);
        let class = cell.class();
        let count = &mut self.counts[class as usize];
        *count += 1;
        if *count <= CELLS as u64 {
            let value = shown(text);
            self.cells.push(Remembered {
                class,
                place,
                value,
            });
        }
    }

    /// Returns the number of cells of some classes.
    pub fn count(&self, classes: &[Class]) -> u64 {
        classes
            .iter()
            .map(|&class| self.counts[class as usize])
            .sum()
    }

    /// Returns the number of present cells.
    pub fn present(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Returns the first cells of some classes in the order of the file.
    pub fn cells(&self, classes: &[Class]) -> Vec<&Remembered> {
        let cells = self.cells.iter();
        let mut cells: Vec<_> = cells.filter(|cell| classes.contains(&cell.class)).collect();
        cells.sort_by_key(|cell| (cell.place.file, cell.place.line));
        cells.truncate(CELLS);
        cells
    }

    /// Returns the narrowest type that preserves every present cell.
    pub fn kind(&self) -> ColumnType {
        let present = self.present();
        let all = |classes: &[Class]| present > 0 && self.count(classes) == present;
        if all(&[Class::Boolean]) {
            return ColumnType::Boolean;
        }
        if all(&[Class::Date]) {
            return ColumnType::Date;
        }
        if all(&INTEGERS) {
            let large = self.count(&[Class::LargeInteger]) > 0;
            return if large {
                ColumnType::LargeInteger
            } else {
                ColumnType::Integer
            };
        }
        // `1E5` is a number only beside decimals that cannot be codes.
        if !all(&NUMBERS) || self.count(&DECIMALS) == 0 {
            return ColumnType::Text;
        }
        if self.count(&[Class::WideInteger, Class::LargeInteger]) > 0 {
            return ColumnType::Number;
        }
        ColumnType::Decimal
    }

    /// Returns the smallest and the largest value and an example.
    pub fn extent(&self, kind: ColumnType) -> Extent {
        let example = self
            .cells
            .iter()
            .min_by_key(|cell| (cell.place.file, cell.place.line));
        let (min, max) = match kind {
            ColumnType::Integer | ColumnType::LargeInteger => {
                self.integers.texts(ToString::to_string)
            }
            ColumnType::Decimal | ColumnType::Number => self.number_texts(),
            ColumnType::Date => self.dates.texts(|&unix_ms| shown_date(unix_ms)),
            ColumnType::Boolean | ColumnType::Text => self.texts.texts(),
        }
        .unzip();
        Extent {
            min,
            max,
            example: example.map(|cell| cell.value.clone()),
        }
    }

    fn number_texts(&self) -> Option<(String, String)> {
        let decimals = self
            .decimals
            .0
            .map(|(min, max)| [(min, shown_double(min)), (max, shown_double(max))]);
        let integers = self
            .integers
            .0
            .map(|(min, max)| [min, max].map(|number| (number as f64, number.to_string())));
        let mut all: Vec<_> = decimals.into_iter().chain(integers).flatten().collect();
        all.sort_by(|left, right| left.0.total_cmp(&right.0));
        Some((all.first()?.1.clone(), all.last()?.1.clone()))
    }
}

/// Integers of any size.
pub const INTEGERS: [Class; 3] = [Class::Integer, Class::WideInteger, Class::LargeInteger];

/// Decimals that cannot be codes.
pub const DECIMALS: [Class; 2] = [Class::Decimal, Class::LongDecimal];

/// All numbers.
pub const NUMBERS: [Class; 6] = [
    Class::Integer,
    Class::WideInteger,
    Class::LargeInteger,
    Class::Decimal,
    Class::LongDecimal,
    Class::Exponent,
];

impl<T: PartialOrd + Copy> Range<T> {
    #[inline]
    fn widen(&mut self, value: T) {
        match &mut self.0 {
            None => self.0 = Some((value, value)),
            Some((min, _)) if value < *min => *min = value,
            Some((_, max)) if value > *max => *max = value,
            Some(_) => {}
        }
    }

    fn texts(&self, text: impl Fn(&T) -> String) -> Option<(String, String)> {
        self.0.as_ref().map(|(min, max)| (text(min), text(max)))
    }
}

impl TextRange {
    #[inline]
    fn widen(&mut self, text: &str) {
        match &mut self.0 {
            None => self.0 = Some((shown(text), shown(text))),
            Some((min, _)) if text < min.as_str() => *min = shown(text),
            Some((_, max)) if text > max.as_str() => *max = shown(text),
            Some(_) => {}
        }
    }

    fn texts(&self) -> Option<(String, String)> {
        self.0.clone()
    }
}

/// Cuts a long text.
fn shown(text: &str) -> String {
    if text.len() <= SHOWN {
        return text.to_owned();
    }
    let mut end = SHOWN;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", text.get(..end).unwrap_or_default())
}

fn shown_date(unix_ms: i64) -> String {
    let written = date::write(unix_ms).map(|written| written.to_vec());
    let text = written.and_then(|written| String::from_utf8(written).ok());
    let text = text.unwrap_or_default();
    let short = text.strip_suffix("T00:00:00.000Z").map(str::to_owned);
    short.unwrap_or_else(|| text.replace(".000Z", "Z"))
}

fn shown_double(number: f64) -> String {
    ryu::Buffer::new().format(number).to_owned()
}

impl fmt::Display for CellAt {
    /// Writes "line 4 `02134`".
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(out, "`{file}` ")?;
        }
        let value = self.value.escape_debug().to_string();
        // Quotes are as in the file.
        let value = value.replace("\\\"", "\"").replace("\\'", "'");
        write!(out, "line {} `{value}`", self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(cells: &[&str]) -> Evidence {
        let mut evidence = Evidence::new();
        for (index, cell) in cells.iter().enumerate() {
            let line = index as u64 + 2;
            evidence.see(cell, Place { file: 0, line }, DecimalPoint::Point);
        }
        evidence
    }

    #[test]
    fn columns_have_the_narrowest_type_that_preserves_them() {
        for (cells, kind) in [
            (&["1", "-2"][..], ColumnType::Integer),
            (&["1", "18446744073709551615"], ColumnType::LargeInteger),
            (&["1", "0.5"], ColumnType::Decimal),
            (&["-0", "5"], ColumnType::Decimal),
            (&["9007199254740992", "0.5"], ColumnType::Decimal),
            (&["9007199254740993", "0.5"], ColumnType::Number),
            (&["0.5", "18446744073709551615"], ColumnType::Number),
            (&["1e3", "2.5e3"], ColumnType::Decimal),
            (&["1e3", "1e-3"], ColumnType::Decimal),
            (&["1E5", "2E7", "100"], ColumnType::Text),
            (&["1E5", "1F4"], ColumnType::Text),
            (&["007", "5"], ColumnType::Text),
            (&["10001", "02134"], ColumnType::Text),
            (&["+5", "7"], ColumnType::Text),
            (&["0x1F"], ColumnType::Text),
            (&["1_000", "2_000"], ColumnType::Text),
            (&["1.5", "inf"], ColumnType::Text),
            (&["1e400", "2"], ColumnType::Text),
            (
                &["12345678901234567890123456789012345", "1"],
                ColumnType::Text,
            ),
            (&["true", "False", "TRUE"], ColumnType::Boolean),
            (&["true", "1"], ColumnType::Text),
            (&["2024-05-01", "2024-05-01T10:00:00Z"], ColumnType::Date),
            (&["2024-05-01T10:00:00.123456Z"], ColumnType::Text),
            (&["2024-05-01", "soon"], ColumnType::Text),
            (&["2024-05-01", "5"], ColumnType::Text),
            (&["x"], ColumnType::Text),
            (&[], ColumnType::Text),
        ] {
            assert_eq!(evidence(cells).kind(), kind, "{cells:?}");
        }
    }

    #[test]
    fn extent_compares_values_of_the_type() {
        let extent = |cells: &[&str]| {
            let evidence = evidence(cells);
            let extent = evidence.extent(evidence.kind());
            let text = |text: Option<String>| text.unwrap_or_default();
            [text(extent.min), text(extent.max), text(extent.example)]
        };
        assert_eq!(extent(&["9", "10", "-3"]), ["-3", "10", "9"]);
        assert_eq!(extent(&["0.5", "10", "-3"]), ["-3", "10", "0.5"]);
        assert_eq!(extent(&["b", "a10", "a9"]), ["a10", "b", "b"]);
        assert_eq!(
            extent(&["2024-05-01", "2023-01-01T10:00Z"]),
            ["2023-01-01T10:00:00Z", "2024-05-01", "2024-05-01"]
        );
        assert_eq!(extent(&[]), ["", "", ""]);
    }

    #[test]
    fn remembered_cells_are_few_and_in_file_order() {
        let evidence = evidence(&["1", "x", "2", "y", "z", "+5", "w"]);
        let odd = evidence.cells(&[Class::Text, Class::LikeNumber]);
        let lines: Vec<_> = odd.iter().map(|cell| cell.place.line).collect();
        assert_eq!(lines, [3, 5, 6]);
        assert_eq!(evidence.count(&[Class::Text]), 4);
    }
}
