//! The settled prefix of one partition.

use std::collections::BTreeMap;
use std::ops::Range;

/// Offset before which every record is stored or dead-lettered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix {
    settled: i64,
    /// Settled ranges after a gap: start → end.
    ahead: BTreeMap<i64, i64>,
}

impl Prefix {
    /// Every record before `settled` is settled.
    pub fn new(settled: i64) -> Self {
        Self {
            settled,
            ahead: BTreeMap::new(),
        }
    }

    /// Adds a settled range, in any order and any number of times.
    pub fn settle(&mut self, range: Range<i64>) {
        if range.end <= self.settled {
            return;
        }
        if range.start > self.settled {
            let end = self.ahead.entry(range.start).or_insert(range.end);
            *end = range.end.max(*end);
            return;
        }
        self.settled = range.end;
        while let Some((start, end)) = self.ahead.pop_first() {
            if start > self.settled {
                self.ahead.insert(start, end);
                return;
            }
            self.settled = self.settled.max(end);
        }
    }

    /// Returns the offset before which everything is settled.
    pub fn settled(&self) -> i64 {
        self.settled
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn prefix_ends_at_the_first_unsettled_offset(
            ranges in prop::collection::vec((0i64..60, 0i64..12), 0..40)
        ) {
            let mut prefix = Prefix::new(0);
            let mut settled = [false; 80];
            for (start, length) in ranges {
                prefix.settle(start..start + length);
                for offset in start..start + length {
                    settled[usize::try_from(offset).unwrap()] = true;
                }
                let naive = settled.iter().position(|settled| !settled).unwrap();
                prop_assert_eq!(prefix.settled(), i64::try_from(naive).unwrap());
            }
        }
    }
}
