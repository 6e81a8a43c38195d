//! Guarantees of every run, and whether they held.

use serde::{Deserialize, Serialize};

use crate::audit::Verdict;
use crate::measure::Counts;

/// A guarantee and whether it held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invariant {
    /// Short name.
    pub name: String,
    /// The guarantee.
    pub promise: String,
    /// Whether it held; `None` if this run cannot tell.
    pub held: Option<bool>,
}

/// Facts beyond the verdict that decide whether the invariants held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Whether a failure ended the run early.
    pub failed: bool,
    /// Whether that failure was a gap in a log's offsets.
    pub jumped: bool,
    /// Whether the readings of a vehicle share a partition and so have an order.
    pub ordered: bool,
    /// Readings that a fault sent out of order.
    pub out_of_order: u64,
    /// Whether the audit only counted documents, without comparing their content.
    pub counted_only: bool,
}

impl Invariant {
    /// Checks every invariant.
    pub fn all(verdict: &Verdict, counters: &Counts, evidence: Evidence) -> Vec<Self> {
        let dead_lettered = verdict.dead_lettered.saturating_sub(verdict.stray);
        let ended = verdict.stored + dead_lettered + verdict.undelivered;
        let nothing_missing = verdict.missing == 0;
        let invariants = [
            (
                "I1",
                "emitted = stored + dead-lettered + undelivered",
                Some(verdict.emitted == ended),
            ),
            (
                "I2",
                "every acknowledged reading is stored or dead-lettered",
                Some(nothing_missing),
            ),
            (
                "I3",
                "one document per reading",
                Some(verdict.duplicated == 0),
            ),
            (
                "I4",
                "every document equals its reading, byte for byte",
                match verdict.corrupt {
                    0 if evidence.counted_only => None,
                    corrupt => Some(corrupt == 0),
                },
            ),
            (
                "I5",
                "every record before a checkpoint is stored or dead-lettered",
                // A missing reading may have been before a checkpoint, or truncated with its log.
                nothing_missing.then_some(true),
            ),
            (
                "I6",
                "offsets are contiguous, and each has one record",
                Some(verdict.log_truncations == 0 && !evidence.jumped),
            ),
            (
                "I7",
                "each vehicle's readings are in order, except for injected faults",
                evidence
                    .ordered
                    .then_some(verdict.reordered == evidence.out_of_order),
            ),
            (
                "I8",
                "the counts in the report equal those in the store",
                Some(counters.stored == verdict.stored && verdict.unaccounted() == 0),
            ),
            (
                "I9",
                "the run ends within its deadlines",
                Some(!evidence.failed && verdict.undelivered == 0),
            ),
        ];
        invariants
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

    fn broken(verdict: &Verdict, evidence: Evidence) -> Vec<String> {
        let counters = Counts {
            stored: 10,
            ..Counts::default()
        };
        Invariant::all(verdict, &counters, evidence)
            .into_iter()
            .filter(|invariant| invariant.held == Some(false))
            .map(|invariant| invariant.name)
            .collect()
    }

    #[test]
    fn broken_invariants_are_named() {
        let evidence = Evidence {
            ordered: true,
            ..Evidence::default()
        };
        let verdict = Verdict {
            emitted: 10,
            stored: 10,
            ..Verdict::default()
        };
        let none: Vec<String> = Vec::new();
        assert_eq!(broken(&verdict, evidence), none);
        let emitted = Verdict {
            emitted: 11,
            ..verdict.clone()
        };
        assert_eq!(broken(&emitted, evidence), ["I1"]);
        let missing = Verdict {
            emitted: 11,
            missing: 1,
            ..verdict.clone()
        };
        assert_eq!(broken(&missing, evidence), ["I1", "I2"]);
        let reordered = Verdict {
            reordered: 1,
            ..verdict.clone()
        };
        assert_eq!(broken(&reordered, evidence), ["I7"]);
        assert_eq!(broken(&reordered, Evidence::default()), none);
        let truncated = Verdict {
            log_truncations: 1,
            ..verdict
        };
        assert_eq!(broken(&truncated, evidence), ["I6"]);
    }

    #[test]
    fn counting_audit_cannot_tell_whether_content_is_unchanged() {
        let evidence = Evidence {
            counted_only: true,
            ..Evidence::default()
        };
        let invariants = Invariant::all(&Verdict::default(), &Counts::default(), evidence);
        let unknown = invariants.iter().filter(|it| it.held.is_none());
        let unknown: Vec<&str> = unknown.map(|it| it.name.as_str()).collect();
        assert_eq!(unknown, ["I4", "I7"]);
    }
}
