//! `$sample`: documents chosen at random.

use std::vec;

use rand::seq::SliceRandom as _;

use crate::aggregation::held::Charge;
use crate::aggregation::memory::charge;
use crate::aggregation::stage::{Context, Stage};
use crate::engine::Row;
use crate::error::CommandError;

/// Returns a number of documents, chosen at random.
pub struct Sample {
    input: Option<Box<dyn Stage>>,
    size: usize,
    chosen: vec::IntoIter<Row>,
    charge: Charge,
}

impl Sample {
    pub fn new(input: Box<dyn Stage>, size: usize) -> Self {
        Self {
            input: Some(input),
            size,
            chosen: Vec::new().into_iter(),
            charge: Charge::default(),
        }
    }

    fn choose(
        &mut self,
        mut input: Box<dyn Stage>,
        context: &Context,
    ) -> Result<Vec<Row>, CommandError> {
        // Reservoir sampling: each document replaces one of the chosen with the right chance.
        let mut chosen: Vec<Row> = Vec::new();
        let mut memory = 0;
        let mut seen = 0_usize;
        while let Some(row) = input.next(context)? {
            seen += 1;
            let place = if chosen.len() < self.size {
                chosen.len()
            } else {
                rand::random_range(0..seen)
            };
            if place >= self.size {
                continue;
            }
            // A copy does not keep the larger buffer alive that the document was read into.
            let row = Row::computed(row.document.to_vec());
            memory += row.document.len();
            if let Some(known) = chosen.get_mut(place) {
                memory -= known.document.len();
                *known = row;
            } else {
                chosen.push(row);
            }
            charge("$sample", &mut self.charge, memory)?;
        }
        chosen.shuffle(&mut rand::rng());
        Ok(chosen)
    }
}

impl Stage for Sample {
    fn next(&mut self, context: &Context) -> Result<Option<Row>, CommandError> {
        if let Some(input) = self.input.take() {
            self.chosen = self.choose(input, context)?.into_iter();
        }
        Ok(self.chosen.next())
    }
}
