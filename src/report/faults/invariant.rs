//! What convoy promises of every run, and whether it held in one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::audit::Verdict;

/// A promise and whether it held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invariant {
    /// Its short name.
    pub name: String,
    /// What is promised.
    pub promise: String,
    /// Whether it held; none where this run cannot tell.
    pub held: Option<bool>,
}

/// What only the run itself knows, beyond its verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    /// Whether something ended the run before its time.
    pub failed: bool,
    /// Whether what ended it was a jump in a log's offsets.
    pub jumped: bool,
    /// Whether the readings of a vehicle share a partition, so that they have an order.
    pub ordered: bool,
    /// Readings that were sent out of order on purpose.
    pub out_of_order: u64,
}

impl Invariant {
    /// Says of every promise whether it held.
    pub fn all(verdict: &Verdict, counters: &BTreeMap<String, u64>, told: Told) -> Vec<Self> {
        let set_aside = verdict.dead_lettered.saturating_sub(verdict.stray);
        let ended = verdict.stored + set_aside + verdict.undelivered;
        let stored = counters.get("stored").copied().unwrap_or_default();
        let nothing_missing = verdict.missing == 0;
        let promises = [
            (
                "I1",
                "emitted = stored + dead-lettered + undelivered",
                Some(verdict.emitted == ended),
            ),
            (
                "I2",
                "what is acknowledged is stored or dead-lettered",
                Some(nothing_missing),
            ),
            (
                "I3",
                "one document per reading",
                Some(verdict.duplicated == 0),
            ),
            (
                "I4",
                "what is stored was emitted, byte for byte",
                Some(verdict.corrupt == 0),
            ),
            (
                "I5",
                "what lies before a checkpoint is stored or dead-lettered",
                // A loss may lie before a checkpoint or have been lost with its log.
                nothing_missing.then_some(true),
            ),
            (
                "I6",
                "offsets are contiguous, and each has one record",
                Some(verdict.log_truncations == 0 && !told.jumped),
            ),
            (
                "I7",
                "each vehicle's readings in order, but for those declared",
                told.ordered
                    .then_some(verdict.reordered == told.out_of_order),
            ),
            (
                "I8",
                "the report equals what is in the store",
                Some(stored == verdict.stored && verdict.unaccounted() == 0),
            ),
            (
                "I9",
                "the run ends within its deadlines",
                Some(!told.failed && verdict.undelivered == 0),
            ),
        ];
        promises
            .into_iter()
            .map(|(name, promise, held)| Self {
                name: name.to_owned(),
                promise: promise.to_owned(),
                held,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(verdict: &Verdict, told: Told) -> Vec<String> {
        let counters = BTreeMap::from([("stored".to_owned(), 10)]);
        Invariant::all(verdict, &counters, told)
            .into_iter()
            .filter(|invariant| invariant.held == Some(false))
            .map(|invariant| invariant.name)
            .collect()
    }

    #[test]
    fn each_break_names_its_promise() {
        let told = Told {
            ordered: true,
            ..Told::default()
        };
        let verdict = Verdict {
            emitted: 10,
            stored: 10,
            ..Verdict::default()
        };
        let none: Vec<String> = Vec::new();
        assert_eq!(broken(&verdict, told), none);
        let emitted = Verdict {
            emitted: 11,
            ..verdict.clone()
        };
        assert_eq!(broken(&emitted, told), ["I1"]);
        let missing = Verdict {
            emitted: 11,
            missing: 1,
            ..verdict.clone()
        };
        assert_eq!(broken(&missing, told), ["I1", "I2"]);
        let reordered = Verdict {
            reordered: 1,
            ..verdict.clone()
        };
        assert_eq!(broken(&reordered, told), ["I7"]);
        assert_eq!(broken(&reordered, Told::default()), none);
        let truncated = Verdict {
            log_truncations: 1,
            ..verdict
        };
        assert_eq!(broken(&truncated, told), ["I6"]);
    }
}
