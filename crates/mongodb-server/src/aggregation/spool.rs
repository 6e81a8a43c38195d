//! Documents that are computed before the first of them is written.

use crate::aggregation::held::Held;
use crate::aggregation::memory::check_memory;
use crate::engine::Row;
use crate::error::CommandError;

/// Computed documents, up to a limit.
#[derive(Debug)]
pub struct Spool {
    stage: &'static str,
    rows: Vec<Held>,
    memory: usize,
}

impl Spool {
    /// Returns an empty spool for a stage.
    pub fn new(stage: &'static str) -> Self {
        Self {
            stage,
            rows: Vec::new(),
            memory: 0,
        }
    }

    pub fn push(&mut self, row: Row) -> Result<(), CommandError> {
        let held = Held::new(row);
        self.memory += held.memory() + size_of::<Held>();
        check_memory(self.stage, self.memory)?;
        self.rows.push(held);
        Ok(())
    }

    pub fn into_rows(self) -> impl Iterator<Item = Result<Row, CommandError>> {
        self.rows.into_iter().map(Held::into_row)
    }
}
