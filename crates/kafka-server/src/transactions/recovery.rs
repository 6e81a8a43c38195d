//! What a kill interrupted: transactions go on, end, or are cleared from the logs.

use std::collections::BTreeMap;
use std::sync::Arc;

use tracing::warn;

use crate::log::Marker;
use crate::partition::Partition;
use crate::transactions::book::now;
use crate::transactions::coordinator::Coordinator;
use crate::transactions::effects::Effects;
use crate::transactions::transaction::{State, Transaction};

/// A partition of a topic.
pub struct Located {
    pub topic: String,
    pub index: i32,
    pub partition: Arc<Partition>,
}

impl Coordinator {
    /// Restores the admissions of open transactions, ends those whose end was decided, and writes
    /// the markers that the logs lack.
    pub fn recover(&self, effects: &dyn Effects, partitions: &[Located]) {
        let mut book = self.lock();
        for id in &book.open {
            if let Some(transaction) = book.by_id.get(id) {
                admit(effects, transaction);
            }
        }
        let ids: Vec<String> = book.open.iter().cloned().collect();
        for id in ids {
            // A failure was logged; the timekeeper repeats it.
            let _failed = book.complete(effects, &id);
        }
        let by_producer: BTreeMap<i64, &Transaction> = book
            .by_id
            .values()
            .map(|transaction| (transaction.header.producer.id, transaction))
            .collect();
        for located in partitions {
            let mut log = located.partition.log();
            for producer in log.history().transactions.open_producers() {
                if log.history().transactions.is_admitted(producer) {
                    continue;
                }
                let known = by_producer.get(&producer).copied();
                let marker = missing_marker(
                    producer,
                    known,
                    located,
                    log.history().producers.epoch(producer),
                );
                warn!(
                    topic = located.topic,
                    partition = located.index,
                    producer,
                    commits = marker.commits,
                    "ended a transaction whose marker was lost"
                );
                if let Err(error) = log.append_marker(&marker) {
                    let reason = &error as &dyn std::error::Error;
                    warn!(reason, "failed to write a transaction marker");
                }
            }
        }
    }
}

/// Admits the producer of an open transaction to its partitions; if it is ending, only where
/// markers are missing.
fn admit(effects: &dyn Effects, transaction: &Transaction) {
    let producer = transaction.header.producer;
    for (topic, indexes) in &transaction.partitions {
        for index in indexes {
            let Some(partition) = effects.find_partition(topic, *index) else {
                continue;
            };
            let mut log = partition.log();
            let has_records = log.history().transactions.open_from(producer.id).is_some();
            if has_records || transaction.header.state == State::Ongoing {
                log.admit(producer.id, producer.epoch);
            }
        }
    }
}

/// Returns the marker for records of a producer that has no open transaction with the partition:
/// that of its last transaction if it had the partition, else an abort.
fn missing_marker(
    producer_id: i64,
    known: Option<&Transaction>,
    located: &Located,
    logged_epoch: Option<i16>,
) -> Marker {
    let last = known.filter(|known| known.has_partition(&located.topic, located.index));
    Marker {
        producer_id,
        producer_epoch: logged_epoch.unwrap_or(0),
        commits: last.and_then(|last| last.header.state.outcome()) == Some(true),
        timestamp: now(),
    }
}
