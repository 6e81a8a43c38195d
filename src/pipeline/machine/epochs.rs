//! Epochs of the leaders that appended the records of one partition.

use std::collections::VecDeque;

/// Remembers which epoch began at which offset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Epochs(VecDeque<(i64, i32)>);

impl Epochs {
    /// Records the epoch of records from an offset on. Offsets must not decrease.
    pub fn note(&mut self, from: i64, epoch: i32) {
        if self.0.back().is_none_or(|(_, last)| *last != epoch) {
            self.0.push_back((from, epoch));
        }
    }

    /// Returns the epoch of the record before a position, and forgets what is before that record.
    pub fn before(&mut self, position: i64) -> Option<i32> {
        while self.0.get(1).is_some_and(|(from, _)| *from < position) {
            self.0.pop_front();
        }
        let (from, epoch) = self.0.front()?;
        (*from < position).then_some(*epoch)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn epoch_before_a_position_is_that_of_the_last_record(
            epochs in prop::collection::vec((1_i64..5, 0_i32..3), 1..20),
            mut positions in prop::collection::vec(0_i64..100, 1..10),
        ) {
            let (mut noted, mut of_offset, mut from) = (Epochs::default(), Vec::new(), 0);
            for (records, epoch) in epochs {
                noted.note(from, epoch);
                from += records;
                of_offset.resize(usize::try_from(from).unwrap(), epoch);
            }
            positions.sort_unstable();
            for position in positions {
                let last = usize::try_from(position).unwrap().min(of_offset.len());
                let expected = last.checked_sub(1).map(|last| of_offset[last]);
                prop_assert_eq!(noted.before(position), expected);
            }
        }
    }
}
