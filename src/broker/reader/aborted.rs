//! Tells the batches of aborted transactions from others.
//!
//! A fetch response names the aborted transactions of its range by producer and first offset. Each
//! ends at the producer's next control batch.

use std::collections::BTreeSet;

use convoy_kafka_server::protocol::Header;

/// Aborted transactions of one fetch response.
#[derive(Debug, Default)]
pub struct Aborted {
    /// Those that have not begun yet, the first one last.
    ahead: Vec<AbortedTransaction>,
    /// Producers whose transaction has begun.
    open: BTreeSet<i64>,
}

/// An aborted transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTransaction {
    pub producer_id: i64,
    /// Offset of its first record.
    pub first_offset: i64,
}

impl Aborted {
    pub fn new(mut transactions: Vec<AbortedTransaction>) -> Self {
        transactions.sort_by_key(|it| std::cmp::Reverse(it.first_offset));
        Self {
            ahead: transactions,
            open: BTreeSet::new(),
        }
    }

    /// Returns whether the records of the next batch belong to an aborted transaction.
    pub fn contains(&mut self, header: &Header) -> bool {
        while let Some(next) = self.ahead.last()
            && next.first_offset < header.next_offset()
        {
            self.open.insert(next.producer_id);
            self.ahead.pop();
        }
        if header.control() {
            // It ends the producer's transaction, committed or aborted.
            self.open.remove(&header.producer_id);
            return false;
        }
        header.transactional() && self.open.contains(&header.producer_id)
    }
}
