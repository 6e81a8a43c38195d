//! Synthetic rows of the APS data set: its columns and its statistics, none of its rows.
//!
//! A row is drawn from the vehicle's use (how far it was driven) and chance: each column follows
//! the use as closely as it does in the data set, its values follow the distribution of its class,
//! groups of columns are missing together, and the bins of the seven histograms have one sum.
//!
//! The same seed gives the same bytes on every machine: only integers and those operations of
//! floating-point numbers that are exact to the last bit are used.

mod draw;
mod table;

use std::io::{self, Write};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::dataset::generate::draw::{Cell, Draw};
use crate::dataset::generate::table::Table;

/// Draws rows, one after the other.
#[derive(Debug)]
pub struct Generator {
    table: Table,
    random: Random,
}

impl Generator {
    /// Starts the rows of a seed.
    pub fn new(seed: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        Self {
            table: Table::aps(),
            random: Random(ChaCha8Rng::from_seed(key)),
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
    pub fn header(&self, line: &mut Vec<u8>) {
        line.extend_from_slice(b"class");
        for column in &self.table.columns {
            line.push(b',');
            line.extend_from_slice(column.name.as_bytes());
        }
        line.push(b'\n');
    }

    /// Appends the line of the next row.
    pub fn row(&mut self, line: &mut Vec<u8>) {
        let row = Draw::new(&self.table, &mut self.random).row();
        line.extend_from_slice(row.class.name().as_bytes());
        for cell in row.cells {
            line.push(b',');
            append(line, cell);
        }
        line.push(b'\n');
    }
}

/// A stream of random numbers.
#[derive(Debug)]
struct Random(ChaCha8Rng);

impl Random {
    /// Returns a number in [0, 1) with 32 random bits.
    fn unit(&mut self) -> f64 {
        f64::from(self.0.next_u32()) / (u64::from(u32::MAX) + 1) as f64
    }

    /// Returns a number below a bound.
    fn below(&mut self, bound: u32) -> u32 {
        let scaled = u64::from(self.0.next_u32()) * u64::from(bound);
        u32::try_from(scaled >> 32).expect("it is below the bound")
    }
}

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

#[cfg(test)]
mod tests;
