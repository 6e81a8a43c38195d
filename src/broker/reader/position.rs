//! Position of a reader in its partition.

/// Position of a reader: the next offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position(i64);

/// Offsets are not contiguous.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jump {
    /// Offset that was expected.
    pub expected: i64,
    /// Offset that was found.
    pub found: i64,
}

impl Position {
    /// Starts at an offset.
    pub fn new(offset: i64) -> Self {
        Self(offset)
    }

    /// Returns the next offset.
    pub fn offset(self) -> i64 {
        self.0
    }

    /// Moves past a record, which must be at the next offset.
    pub fn pass(&mut self, offset: i64) -> Result<(), Jump> {
        if offset != self.0 {
            return Err(Jump {
                expected: self.0,
                found: offset,
            });
        }
        self.0 = self.0.saturating_add(1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_at_another_offset_is_a_jump_and_keeps_the_position() {
        let mut position = Position::new(5);
        position.pass(5).unwrap();
        for found in [5, 8] {
            let expected = 6;
            assert_eq!(position.pass(found), Err(Jump { expected, found }));
        }
        assert_eq!(position.offset(), 6);
    }
}
