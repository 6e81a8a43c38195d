//! Sequence numbers of idempotent producers, so that each batch is appended once.
//!
//! # References
//!
//! - KIP-98: a producer may have five batches in flight, so the last five are remembered.

use std::collections::{HashMap, VecDeque};

use crate::batch::Header;

/// Batches of one producer that are recognised as duplicates.
const REMEMBERED_BATCHES: usize = 5;

/// Producers that one partition remembers; beyond it, the longest inactive one is forgotten.
const MAX_PRODUCERS: usize = 10_000;

/// A batch is out of sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A newer instance of the producer has taken over.
    #[error("producer {id} has epoch {current}, but the batch has {stated}")]
    Fenced { id: i64, stated: i16, current: i16 },
    /// Batches are missing before this one, or it is too old to be recognised as a duplicate.
    #[error("producer {id} sent sequence {stated} (expected {expected})")]
    OutOfOrder { id: i64, stated: i32, expected: i32 },
}

#[derive(Debug, Default)]
pub struct Producers {
    by_id: HashMap<i64, Producer>,
}

#[derive(Debug)]
struct Producer {
    epoch: i16,
    /// The last batches of this epoch, oldest first.
    batches: VecDeque<Sent>,
    last_offset: i64,
    last_timestamp: i64,
}

/// A producer, for administrators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Active {
    pub id: i64,
    pub epoch: i16,
    /// -1 if the producer has sent nothing in this epoch.
    pub last_sequence: i32,
    /// Milliseconds since 1970.
    pub last_timestamp: i64,
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    first: i32,
    last: i32,
    base_offset: i64,
}

impl Producers {
    /// Checks a batch; returns its offset if it is a duplicate.
    pub fn check(&self, header: &Header) -> Result<Option<i64>, Error> {
        if header.producer_id < 0 {
            return Ok(None);
        }
        let Some(producer) = self.by_id.get(&header.producer_id) else {
            return Ok(None);
        };
        producer.check(header)
    }

    /// Remembers an appended batch.
    pub fn note(&mut self, header: &Header, base_offset: i64) {
        if header.producer_id < 0 {
            return;
        }
        if self.by_id.len() >= MAX_PRODUCERS && !self.by_id.contains_key(&header.producer_id) {
            self.forget_oldest();
        }
        let producer = self
            .by_id
            .entry(header.producer_id)
            .or_insert_with(|| Producer {
                epoch: header.producer_epoch,
                batches: VecDeque::with_capacity(REMEMBERED_BATCHES),
                last_offset: base_offset,
                last_timestamp: header.max_timestamp,
            });
        producer.last_offset = base_offset;
        producer.last_timestamp = header.max_timestamp;
        if producer.epoch != header.producer_epoch {
            producer.epoch = header.producer_epoch;
            producer.batches.clear();
        }
        if producer.batches.len() == REMEMBERED_BATCHES {
            producer.batches.pop_front();
        }
        producer.batches.push_back(Sent {
            first: header.base_sequence,
            last: last_sequence(header),
            base_offset,
        });
    }

    /// Remembers a transaction marker: a newer epoch fences the older ones.
    pub fn note_marker(&mut self, id: i64, epoch: i16, timestamp: i64) {
        let Some(producer) = self.by_id.get_mut(&id) else {
            return;
        };
        producer.last_timestamp = timestamp;
        if epoch > producer.epoch {
            producer.epoch = epoch;
            producer.batches.clear();
        }
    }

    /// Returns the epoch of a producer.
    pub fn epoch(&self, id: i64) -> Option<i16> {
        self.by_id.get(&id).map(|producer| producer.epoch)
    }

    /// Returns all producers in order of id.
    pub fn list(&self) -> Vec<Active> {
        let active = |(id, producer): (&i64, &Producer)| Active {
            id: *id,
            epoch: producer.epoch,
            last_sequence: producer.batches.back().map_or(-1, |sent| sent.last),
            last_timestamp: producer.last_timestamp,
        };
        let mut producers: Vec<Active> = self.by_id.iter().map(active).collect();
        producers.sort_unstable_by_key(|producer| producer.id);
        producers
    }

    fn forget_oldest(&mut self) {
        let oldest = self
            .by_id
            .iter()
            .min_by_key(|(_, producer)| producer.last_offset);
        if let Some(id) = oldest.map(|(id, _)| *id) {
            self.by_id.remove(&id);
        }
    }
}

impl Producer {
    fn check(&self, header: &Header) -> Result<Option<i64>, Error> {
        let id = header.producer_id;
        let stated = header.base_sequence;
        if header.producer_epoch < self.epoch {
            return Err(Error::Fenced {
                id,
                stated: header.producer_epoch,
                current: self.epoch,
            });
        }
        let expected = if header.producer_epoch > self.epoch {
            0
        } else {
            let last = last_sequence(header);
            let mut sent = self.batches.iter();
            let again = sent.find(|sent| sent.first == stated && sent.last == last);
            if let Some(again) = again {
                return Ok(Some(again.base_offset));
            }
            self.batches
                .back()
                .map_or(0, |sent| following(sent.last, 1))
        };
        if stated == expected {
            Ok(None)
        } else {
            Err(Error::OutOfOrder {
                id,
                stated,
                expected,
            })
        }
    }
}

fn last_sequence(header: &Header) -> i32 {
    following(header.base_sequence, header.last_offset_delta)
}

/// Adds to a sequence number, which wraps to 0 after the largest.
fn following(sequence: i32, by: i32) -> i32 {
    sequence.wrapping_add(by) & i32::MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch;
    use crate::batch::tests::{Producer, batch_of_producer};

    fn header(epoch: i16, sequence: i32, records: i32) -> Header {
        let bytes = batch_of_producer(records, 0, b"", &Producer(7, epoch, sequence));
        batch::check(&bytes).unwrap()
    }

    fn producers(batches: &[(i16, i32, i32)]) -> Producers {
        let mut producers = Producers::default();
        let mut offset = 100;
        for (epoch, sequence, records) in batches {
            producers.note(&header(*epoch, *sequence, *records), offset);
            offset += i64::from(*records);
        }
        producers
    }

    #[test]
    fn batches_in_sequence_are_new() {
        let producers = producers(&[(0, 0, 3)]);
        assert_eq!(producers.check(&header(0, 3, 2)), Ok(None));
    }

    #[test]
    fn duplicate_batch_is_recognised_with_its_offset() {
        let producers = producers(&[(0, 0, 3), (0, 3, 2), (0, 5, 1)]);
        assert_eq!(producers.check(&header(0, 3, 2)), Ok(Some(103)));
        assert_eq!(producers.check(&header(0, 0, 3)), Ok(Some(100)));
    }

    #[test]
    fn gaps_and_old_batches_are_out_of_order() {
        let sent: Vec<(i16, i32, i32)> = (0..7).map(|number| (0, number, 1)).collect();
        let producers = producers(&sent);
        for stated in [0, 9] {
            assert_eq!(
                producers.check(&header(0, stated, 1)),
                Err(Error::OutOfOrder {
                    id: 7,
                    stated,
                    expected: 7
                })
            );
        }
    }

    #[test]
    fn new_epoch_starts_at_zero_and_fences_the_old_one() {
        let mut producers = producers(&[(0, 0, 3)]);
        assert!(producers.check(&header(1, 3, 1)).is_err());
        assert_eq!(producers.check(&header(1, 0, 1)), Ok(None));
        producers.note(&header(1, 0, 1), 103);
        assert_eq!(
            producers.check(&header(0, 3, 1)),
            Err(Error::Fenced {
                id: 7,
                stated: 0,
                current: 1
            })
        );
    }

    #[test]
    fn unknown_producer_may_start_with_any_sequence() {
        assert_eq!(Producers::default().check(&header(0, 500, 1)), Ok(None));
    }

    #[test]
    fn sequence_wraps_to_zero() {
        let producers = producers(&[(0, i32::MAX - 1, 2)]);
        assert_eq!(producers.check(&header(0, 0, 1)), Ok(None));
    }

    #[test]
    fn marker_of_a_newer_epoch_fences_the_older_one() {
        let mut producers = producers(&[(0, 0, 3)]);
        producers.note_marker(7, 0, 5);
        assert_eq!(producers.check(&header(0, 3, 1)), Ok(None));
        producers.note_marker(7, 1, 5);
        assert!(producers.check(&header(0, 3, 1)).is_err());
        assert_eq!(producers.check(&header(1, 0, 1)), Ok(None));
        assert_eq!(producers.list()[0].last_sequence, -1);
    }
}
