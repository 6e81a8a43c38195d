//! A limit on the work of one update on one document.

use std::cell::Cell;

use crate::error::{Code, CommandError};

/// Array elements that the positional operators of an update may look at, each time that one does.
const MAX_ELEMENTS: usize = 10_000_000;

/// Counts what an update has looked at.
#[derive(Debug, Default)]
pub struct Work(Cell<usize>);

impl Work {
    /// Counts array elements; fails beyond the limit.
    pub fn count(&self, elements: usize) -> Result<(), CommandError> {
        self.0.set(self.0.get().saturating_add(elements));
        if self.0.get() <= MAX_ELEMENTS {
            return Ok(());
        }
        Err(CommandError::new(
            Code::EXCEEDED_TIME_LIMIT,
            format!(
                "the positional operators of an update look at more than {MAX_ELEMENTS} array \
                 elements of one document; send several updates"
            ),
        ))
    }
}
