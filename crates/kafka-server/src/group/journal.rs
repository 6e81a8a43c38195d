//! Groups on disk: the entries of their [`Journal`](crate::journal::Journal).

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::group::membership::Snapshot;
use crate::group::offsets::{Committed, Offsets};
use crate::journal::{self, Error};

const FILE_NAME: &str = "groups.journal";

pub type Journal = journal::Journal<Entry>;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Entry {
    Committed {
        group: String,
        topic: String,
        partition: i32,
        committed: Committed,
    },
    OffsetDeleted {
        group: String,
        topic: String,
        partition: i32,
    },
    /// Members or their assignments changed: the new state.
    Members {
        group: String,
        snapshot: Snapshot,
    },
    GroupDeleted {
        group: String,
    },
}

/// The state of one group in the journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredGroup {
    /// `None` if the group never had members.
    pub snapshot: Option<Snapshot>,
    pub offsets: Offsets,
}

/// Opens the journal of a data directory and returns the groups in it.
pub fn open(directory: &Path) -> Result<(Journal, BTreeMap<String, StoredGroup>), Error> {
    let mut groups = BTreeMap::new();
    let journal = Journal::open(directory.join(FILE_NAME), |entry| apply(&mut groups, entry))?;
    Ok((journal, groups))
}

fn apply(groups: &mut BTreeMap<String, StoredGroup>, entry: Entry) {
    match entry {
        Entry::Committed {
            group,
            topic,
            partition,
            committed,
        } => {
            let kept = groups.entry(group).or_default();
            kept.offsets.commit(&topic, partition, committed);
        }
        Entry::OffsetDeleted {
            group,
            topic,
            partition,
        } => {
            let kept = groups.entry(group).or_default();
            kept.offsets.delete(&topic, partition);
        }
        Entry::Members { group, snapshot } => {
            groups.entry(group).or_default().snapshot = Some(snapshot);
        }
        Entry::GroupDeleted { group } => {
            groups.remove(&group);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use proptest::prelude::*;

    use super::*;

    fn committed(partition: i32, offset: i64) -> Entry {
        Entry::Committed {
            group: "readers".to_owned(),
            topic: "sensor".to_owned(),
            partition,
            committed: Committed {
                offset,
                leader_epoch: 0,
                metadata: Some("note".to_owned()),
            },
        }
    }

    fn offset(groups: &BTreeMap<String, StoredGroup>, partition: i32) -> Option<i64> {
        let kept = groups.get("readers")?;
        Some(kept.offsets.get("sensor", partition)?.offset)
    }

    #[test]
    fn last_commit_wins_also_after_a_rewrite() {
        let directory = tempfile::tempdir().unwrap();
        let (mut journal, groups) = open(directory.path()).unwrap();
        assert!(groups.is_empty());
        journal.append(&[committed(0, 1), committed(1, 5)]).unwrap();
        journal.append(&[committed(0, 2)]).unwrap();
        let (mut journal, groups) = open(directory.path()).unwrap();
        assert_eq!((offset(&groups, 0), offset(&groups, 1)), (Some(2), Some(5)));
        journal.rewrite([committed(0, 2)].into_iter()).unwrap();
        journal.append(&[committed(1, 7)]).unwrap();
        let (_, groups) = open(directory.path()).unwrap();
        assert_eq!((offset(&groups, 0), offset(&groups, 1)), (Some(2), Some(7)));
    }

    #[test]
    fn deletions_are_replayed() {
        let directory = tempfile::tempdir().unwrap();
        let (mut journal, _) = open(directory.path()).unwrap();
        let deleted = Entry::OffsetDeleted {
            group: "readers".to_owned(),
            topic: "sensor".to_owned(),
            partition: 0,
        };
        journal
            .append(&[committed(0, 1), committed(1, 1), deleted])
            .unwrap();
        let (mut journal, groups) = open(directory.path()).unwrap();
        assert_eq!((offset(&groups, 0), offset(&groups, 1)), (None, Some(1)));
        let group = "readers".to_owned();
        journal.append(&[Entry::GroupDeleted { group }]).unwrap();
        assert!(open(directory.path()).unwrap().1.is_empty());
    }

    proptest! {
        #[test]
        fn truncated_journal_keeps_its_complete_entries(cut: prop::sample::Index) {
            let directory = tempfile::tempdir().unwrap();
            let (mut journal, _) = open(directory.path()).unwrap();
            let mut ends = vec![0];
            for number in 0..5 {
                journal.append(&[committed(number, 1)]).unwrap();
                ends.push(journal.bytes());
            }
            let cut = cut.index(usize::try_from(journal.bytes()).unwrap() + 1) as u64;
            drop(journal);
            let file = OpenOptions::new().write(true).open(directory.path().join(FILE_NAME));
            file.unwrap().set_len(cut).unwrap();
            let (mut journal, groups) = open(directory.path()).unwrap();
            let whole = ends.iter().filter(|end| **end > 0 && **end <= cut).count();
            let kept = (0..5).filter(|number| offset(&groups, *number).is_some()).count();
            prop_assert_eq!(kept, whole);
            journal.append(&[committed(9, 9)]).unwrap();
            let (_, groups) = open(directory.path()).unwrap();
            prop_assert_eq!(offset(&groups, 9), Some(9));
        }
    }
}
