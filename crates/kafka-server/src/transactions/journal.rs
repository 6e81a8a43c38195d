//! Transactional ids on disk: the entries of their [`Journal`](crate::journal::Journal).

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::group::{Committed, Offsets};
use crate::journal::{self, Error};
use crate::transactions::transaction::{Header, Partitions, Transaction};

const FILE_NAME: &str = "transactions.journal";

pub type Journal = journal::Journal<Entry>;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Entry {
    /// A new or changed transactional id.
    State { id: String, header: Header },
    /// Partitions of the open transaction.
    Partitions { id: String, partitions: Partitions },
    /// A group of the open transaction, and offsets to commit for it.
    Offsets {
        id: String,
        group: String,
        offsets: Vec<Offset>,
    },
    /// The transactional id expired.
    Expired { id: String },
}

/// An offset to commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offset {
    topic: String,
    partition: i32,
    committed: Committed,
}

/// Opens the journal of a data directory and returns the transactional ids in it.
pub fn open(directory: &Path) -> Result<(Journal, BTreeMap<String, Transaction>), Error> {
    let mut transactions = BTreeMap::new();
    let journal = Journal::open(directory.join(FILE_NAME), |entry| {
        apply(&mut transactions, entry);
    })?;
    Ok((journal, transactions))
}

/// Returns the entries that restore a transactional id.
pub fn entries(id: &str, transaction: &Transaction) -> Vec<Entry> {
    let state = Entry::State {
        id: id.to_owned(),
        header: transaction.header,
    };
    let partitions = Entry::Partitions {
        id: id.to_owned(),
        partitions: transaction.partitions.clone(),
    };
    let groups = transaction.pending.iter();
    let offsets = groups.map(|(group, offsets)| Entry::Offsets {
        id: id.to_owned(),
        group: group.clone(),
        offsets: list(offsets),
    });
    [state, partitions].into_iter().chain(offsets).collect()
}

/// Returns offsets as the journal has them.
pub fn list(offsets: &Offsets) -> Vec<Offset> {
    let topics = offsets.iter();
    let listed = topics.flat_map(|(topic, partitions)| {
        partitions.iter().map(|(partition, committed)| Offset {
            topic: topic.to_owned(),
            partition: *partition,
            committed: committed.clone(),
        })
    });
    listed.collect()
}

fn apply(transactions: &mut BTreeMap<String, Transaction>, entry: Entry) {
    match entry {
        Entry::State { id, header } => match transactions.get_mut(&id) {
            Some(transaction) => transaction.advance(header),
            None => {
                transactions.insert(id, Transaction::new(header));
            }
        },
        Entry::Partitions { id, partitions } => {
            if let Some(transaction) = transactions.get_mut(&id) {
                transaction.add_partitions(&partitions);
            }
        }
        Entry::Offsets { id, group, offsets } => {
            if let Some(transaction) = transactions.get_mut(&id) {
                let mut pending = Offsets::default();
                for offset in offsets {
                    pending.commit(&offset.topic, offset.partition, offset.committed);
                }
                transaction.add_offsets(&group, &pending);
            }
        }
        Entry::Expired { id } => {
            transactions.remove(&id);
        }
    }
}
