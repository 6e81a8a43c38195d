//! What is worth telling about the type of a column: cells that decided it, and values that change.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::dataset::columns::cell::Class;
use crate::dataset::columns::evidence::{CellAt, Evidence, NUMBERS, Remembered};
use crate::dataset::columns::number::{DecimalPoint, Obstacle, has_thousands, obstacle};
use crate::dataset::schema::ColumnType;
use crate::text::quantity::plural;

/// A remark about one column, with the first cells that it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Name of the field.
    pub column: String,
    /// The remark, as the end of a sentence about the column.
    pub message: String,
    /// The first cells.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cells: Vec<CellAt>,
    /// What the user can do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Writes notes about one column.
#[derive(Debug)]
pub(in crate::dataset) struct Notes<'a> {
    pub name: &'a str,
    pub evidence: &'a Evidence,
    /// Names of the files, if there are several.
    pub files: &'a [String],
    /// Markers of missing values that occur in the dataset.
    pub markers: &'a BTreeMap<String, u64>,
    pub point: DecimalPoint,
}

impl Notes<'_> {
    /// Returns the notes about the column.
    pub fn about(&self, kind: ColumnType) -> Vec<Note> {
        let notes = match kind {
            ColumnType::Text => [self.text(), None],
            ColumnType::LargeInteger => [Some(self.large_integers()), None],
            ColumnType::Decimal => [self.long_decimals(), None],
            ColumnType::Number => [Some(self.mixed_numbers()), self.long_decimals()],
            ColumnType::Date => [self.zone(), None],
            ColumnType::Boolean | ColumnType::Integer => [None, None],
        };
        notes.into_iter().flatten().collect()
    }

    /// Explains why a column is text if most of its cells have another type.
    fn text(&self) -> Option<Note> {
        let evidence = self.evidence;
        let present = evidence.present();
        let most = |classes: &[Class]| present > 0 && evidence.count(classes) * 2 >= present;
        let without = |classes: &[Class]| {
            let rest = ALL.into_iter().filter(|class| !classes.contains(class));
            rest.collect::<Vec<_>>()
        };
        if most(&[Class::Date, Class::FineDate]) {
            if evidence.count(&[Class::Date, Class::FineDate]) == present {
                let why = "finer than the milliseconds of a date";
                return Some(self.odd(&[Class::FineDate], why, None));
            }
            let odd = without(&[Class::Date, Class::FineDate]);
            return Some(self.odd(&odd, "not an ISO 8601 date", self.null_values(&odd)));
        }
        if most(&[Class::Boolean]) {
            let odd = without(&[Class::Boolean]);
            return Some(self.odd(&odd, "not `true` or `false`", self.null_values(&odd)));
        }
        let numbers = evidence.count(&NUMBERS);
        let alike = evidence.count(&[Class::LikeNumber]);
        let like_codes = evidence.count(&[Class::LikeCode]);
        if (numbers == 0 && alike == 0) || (numbers + alike + like_codes) * 2 < present {
            return None;
        }
        if numbers == present {
            let why = "possibly a code, and no value has a decimal point";
            return Some(self.odd(&[Class::Exponent], why, None));
        }
        let odd = without(&NUMBERS);
        let cells = evidence.cells(&odd);
        let obstacle = cells.first().and_then(|cell| obstacle(&cell.value));
        let why = match obstacle {
            Some(obstacle) => format!("not a plain number ({})", obstacle.text()),
            None => "not a number".to_owned(),
        };
        Some(self.odd(&odd, &why, self.number_hint(&odd)))
    }

    fn large_integers(&self) -> Note {
        let large = [Class::LargeInteger];
        let count = plural(self.evidence.count(&large), "integer");
        self.note(
            &large,
            format!("has {count} beyond 64 bits, stored as Decimal128"),
        )
    }

    fn mixed_numbers(&self) -> Note {
        let wide = [Class::WideInteger, Class::LargeInteger];
        let count = plural(self.evidence.count(&wide), "integer");
        let message = format!(
            "has decimals and {count} that a double cannot hold; integers are stored as integers"
        );
        self.note(&wide, message)
    }

    fn long_decimals(&self) -> Option<Note> {
        let long = [Class::LongDecimal];
        (self.evidence.count(&long) > 0).then(|| {
            let count = plural(self.evidence.count(&long), "decimal");
            let message = format!(
                "has {count} with more digits than a double holds, stored as the nearest double"
            );
            self.note(&long, message)
        })
    }

    fn zone(&self) -> Option<Note> {
        (self.evidence.zone_assumed > 0).then(|| {
            let count = plural(self.evidence.zone_assumed, "time");
            self.note(&[], format!("has {count} without a zone, read as UTC"))
        })
    }

    /// Says that the column is text because of some cells.
    fn odd(&self, classes: &[Class], why: &str, hint: Option<String>) -> Note {
        let odd = self.evidence.count(classes);
        let present = plural(self.evidence.present(), "value");
        let verb = if odd == 1 { "is" } else { "are" };
        let message = format!("is text, because {odd} of {present} {verb} {why}");
        let mut note = self.note(classes, message);
        note.hint = hint;
        note
    }

    fn note(&self, classes: &[Class], message: String) -> Note {
        let cells = self.evidence.cells(classes).into_iter();
        Note {
            column: self.name.to_owned(),
            message,
            cells: cells.map(|cell| self.cell(cell)).collect(),
            hint: None,
        }
    }

    fn cell(&self, cell: &Remembered) -> CellAt {
        CellAt {
            file: self.files.get(cell.place.file).cloned(),
            line: cell.place.line,
            value: cell.value.clone(),
        }
    }

    fn number_hint(&self, odd: &[Class]) -> Option<String> {
        let cells = self.evidence.cells(odd);
        let obstacles = || cells.iter().map(|cell| obstacle(&cell.value));
        if self.point == DecimalPoint::Point && obstacles().any(|it| it == Some(Obstacle::Comma)) {
            // `--decimal-comma` would make 1.234 of 1,234.
            let thousands = cells.iter().all(|cell| has_thousands(&cell.value));
            return (!thousands).then(|| "pass `--decimal-comma` if `1,5` is a decimal".to_owned());
        }
        let marks_missing = [Obstacle::NotFinite, Obstacle::SpreadsheetError];
        let reads_as_number =
            |it: Option<Obstacle>| it.is_some_and(|it| !marks_missing.contains(&it));
        if obstacles().any(reads_as_number) {
            return None;
        }
        self.null_values(odd)
    }

    /// Advises to declare the odd cells missing if they are few and short.
    fn null_values(&self, odd: &[Class]) -> Option<String> {
        let cells = self.evidence.cells(odd);
        let few = self.evidence.count(odd) * 2 <= self.evidence.present();
        // The option replaces the usual markers.
        let markers = self.markers.keys().map(String::as_str);
        let mut values: Vec<&str> = markers.collect();
        for cell in cells {
            if !values.contains(&cell.value.as_str()) {
                values.push(&cell.value);
            }
        }
        let plain = |value: &&str| value.len() <= 12 && !value.contains([',', '\'']);
        (few && values.iter().all(plain)).then(|| {
            let values = values.join(",");
            format!("pass `--null-values '{values}'` if the value is missing there")
        })
    }
}

const ALL: [Class; 12] = [
    Class::Integer,
    Class::WideInteger,
    Class::LargeInteger,
    Class::Decimal,
    Class::LongDecimal,
    Class::Exponent,
    Class::Boolean,
    Class::Date,
    Class::FineDate,
    Class::LikeNumber,
    Class::LikeCode,
    Class::Text,
];

impl fmt::Display for Note {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "column `{}` {}", self.column, self.message)?;
        for (index, cell) in self.cells.iter().enumerate() {
            let before = if index == 0 { ":" } else { "," };
            write!(out, "{before} {cell}")?;
        }
        match &self.hint {
            Some(hint) => write!(out, " ({hint})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::columns::evidence::Place;

    fn notes(cells: &[&str]) -> String {
        let mut evidence = Evidence::new();
        let point = DecimalPoint::Point;
        for (line, cell) in (2..).zip(cells) {
            evidence.see(cell, Place { file: 0, line }, point);
        }
        let notes = Notes {
            name: "a",
            evidence: &evidence,
            files: &[],
            markers: &BTreeMap::from([(String::new(), 1)]),
            point,
        };
        let notes = notes.about(evidence.kind());
        let notes: Vec<_> = notes.iter().map(ToString::to_string).collect();
        notes.join("\n")
    }

    #[test]
    fn cells_that_decide_a_type_are_named() {
        let tables = [
            &["10001", "20001", "02134"][..],
            &["1", "2", "3", "error"],
            &["1.5", "inf", "-Infinity"],
            &["1E5", "2E7", "100"],
            &["+5", "7"],
            &["1_000", "2_000"],
            &["1,5", "2,25"],
            &["1,234", "5,678,901"],
            &["1", "2", "#DIV/0!"],
            &["2024-05-01", "2024-05-02", "soon"],
            &["2024-05-01T10:00:00.123456Z"],
            &["2024-05-01 10:00:00"],
            &["true", "true", "5"],
            &["9007199254740993", "0.5"],
            &["18446744073709551616", "1"],
            &["9007199254740993.0", "0.5"],
        ];
        let told: Vec<_> = tables.into_iter().map(notes).collect();
        insta::assert_snapshot!(told.join("\n"), @"
        column `a` is text, because 1 of 3 values is not a plain number (a leading zero): line 4 `02134`
        column `a` is text, because 1 of 4 values is not a number: line 5 `error` (pass `--null-values ',error'` if the value is missing there)
        column `a` is text, because 2 of 3 values are not a plain number (not a finite number): line 3 `inf`, line 4 `-Infinity`
        column `a` is text, because 2 of 3 values are possibly a code, and no value has a decimal point: line 2 `1E5`, line 3 `2E7`
        column `a` is text, because 1 of 2 values is not a plain number (a plus sign): line 2 `+5`
        column `a` is text, because 2 of 2 values are not a plain number (a separator between digits): line 2 `1_000`, line 3 `2_000`
        column `a` is text, because 2 of 2 values are not a plain number (a comma): line 2 `1,5`, line 3 `2,25` (pass `--decimal-comma` if `1,5` is a decimal)
        column `a` is text, because 2 of 2 values are not a plain number (a comma): line 2 `1,234`, line 3 `5,678,901`
        column `a` is text, because 1 of 3 values is not a plain number (an error of a spreadsheet): line 4 `#DIV/0!` (pass `--null-values ',#DIV/0!'` if the value is missing there)
        column `a` is text, because 1 of 3 values is not an ISO 8601 date: line 4 `soon` (pass `--null-values ',soon'` if the value is missing there)
        column `a` is text, because 1 of 1 value is finer than the milliseconds of a date: line 2 `2024-05-01T10:00:00.123456Z`
        column `a` has 1 time without a zone, read as UTC
        column `a` is text, because 1 of 3 values is not `true` or `false`: line 4 `5` (pass `--null-values ',5'` if the value is missing there)
        column `a` has decimals and 1 integer that a double cannot hold; integers are stored as integers: line 2 `9007199254740993`
        column `a` has 1 integer beyond 64 bits, stored as Decimal128: line 2 `18446744073709551616`
        column `a` has 1 decimal with more digits than a double holds, stored as the nearest double: line 2 `9007199254740993.0`
        ");
    }

    #[test]
    fn types_without_an_odd_cell_are_not_told() {
        for cells in [
            &["1", "2"][..],
            &["1.5", "2"],
            &["x", "1"],
            &["x", "y", "1"],
            &["007", "0012"],
            &["0x1F", "0x20"],
            &["true", "false"],
            &["2024-05-01"],
            &["2024-05-01T10:00:00Z"],
            &[],
        ] {
            let told = notes(cells);
            assert!(
                told.is_empty() || cells.len() == 2 && cells[0] == "x",
                "{told}"
            );
        }
    }
}
