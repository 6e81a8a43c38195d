//! What the batches of a log tell of their producers, rebuilt when the log is opened.

use crate::batch::Header;
use crate::log::marker::Marker;
use crate::log::producers::Producers;
use crate::log::transactions::Transactions;

#[derive(Debug, Default)]
pub struct History {
    pub producers: Producers,
    pub transactions: Transactions,
}

impl History {
    /// Remembers a batch of records.
    pub fn note(&mut self, header: &Header, base_offset: i64) {
        self.producers.note(header, base_offset);
        self.transactions.note(header, base_offset);
    }

    /// Remembers a control batch.
    pub fn note_control(&mut self, header: &Header, bytes: &[u8], base_offset: i64) {
        let Header {
            producer_id,
            producer_epoch,
            max_timestamp,
            ..
        } = *header;
        self.producers
            .note_marker(producer_id, producer_epoch, max_timestamp);
        if let Some(commits) = Marker::commits(bytes) {
            self.transactions
                .note_marker(producer_id, commits, base_offset);
        }
    }
}
