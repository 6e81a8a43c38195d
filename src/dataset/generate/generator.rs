//! Writes drawn rows as CSV.

use std::io::{self, Write};

use crate::dataset::generate::draw::{Cell, Draw};
use crate::dataset::generate::random::Random;
use crate::dataset::generate::table::Table;

/// Generates rows, one after the other.
#[derive(Debug)]
pub struct Generator {
    table: Table,
    random: Random,
}

impl Generator {
    /// Starts with the first row of a seed.
    pub fn new(seed: u64) -> Self {
        Self {
            table: Table::aps(),
            random: Random::new(seed),
        }
    }

    /// Writes a CSV file with the next rows.
    pub fn write(&mut self, rows: u64, file: &mut impl Write) -> io::Result<()> {
        let mut line = Vec::new();
        self.header(&mut line);
        file.write_all(&line)?;
        for _ in 0..rows {
            line.clear();
            self.row(&mut line);
            file.write_all(&line)?;
        }
        file.flush()
    }

    /// Appends the line of the column names.
    fn header(&self, line: &mut Vec<u8>) {
        line.extend_from_slice(b"class");
        for column in &self.table.columns {
            line.push(b',');
            line.extend_from_slice(column.name.as_bytes());
        }
        line.push(b'\n');
    }

    /// Appends the line of the next row.
    fn row(&mut self, line: &mut Vec<u8>) {
        let row = Draw::new(&self.table, &mut self.random).row();
        line.extend_from_slice(row.class.name().as_bytes());
        for cell in row.cells {
            line.push(b',');
            append(line, cell);
        }
        line.push(b'\n');
    }
}

/// Appends a cell in the notation of the data set.
fn append(line: &mut Vec<u8>, cell: Cell) {
    let mut digits = itoa::Buffer::new();
    match cell {
        Cell::Missing => line.extend_from_slice(b"na"),
        Cell::Integer(number) => line.extend_from_slice(digits.format(number).as_bytes()),
        Cell::Whole(number) => {
            line.extend_from_slice(digits.format(number).as_bytes());
            line.extend_from_slice(b".0");
        }
        Cell::Hundredths(number) => {
            line.extend_from_slice(digits.format(number / 100).as_bytes());
            let places = number % 100;
            let text = format!(".{places:02}");
            line.extend_from_slice(text.trim_end_matches('0').trim_end_matches('.').as_bytes());
        }
    }
}
