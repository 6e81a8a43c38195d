//! Goal: every record of every batch is read as it was written, and a batch that is not valid costs
//! itself only. Method: batches of `kafka-protocol`'s encoder and of our own, whole and changed.

mod broken;
mod decoded;
mod draft;
mod group;
mod old_formats;
mod partition;
mod stand_in;
mod transactions;

use bytes::Bytes;
use convoy_kafka_server::protocol::{GZIP, LZ4, NONE, SNAPPY, ZSTD};

use crate::broker::reader::aborted::{Aborted, AbortedTransaction};
use crate::broker::reader::*;
use crate::record::{Headers, write_nullable};

pub use draft::{Draft, LOG_APPEND_TIME};
use draft::{compress, compress_xerial, encode};
pub use stand_in::{Log, StandIn};

/// End of a log that is longer than all of these.
const END: i64 = 1_000_000;

pub fn record(offset: i64) -> RecordBuf {
    RecordBuf {
        offset,
        timestamp_ms: 1_700_000_000_000,
        key: None,
        value: Some(format!("value of {offset}").into_bytes()),
        headers: Headers::default(),
    }
}

pub fn records(offsets: std::ops::Range<i64>) -> Vec<RecordBuf> {
    offsets.map(record).collect()
}

fn response(bytes: Vec<u8>, position: i64) -> Undecoded {
    Undecoded::new(Bytes::from(bytes), Aborted::default(), position, END)
}

/// What all parts of a response have together.
#[derive(Debug, Default)]
struct Read {
    records: Vec<RecordBuf>,
    /// First and last offsets, and reasons.
    broken: Vec<(i64, i64, String)>,
    passed: Passed,
    next_offset: i64,
    leader_epoch: Option<i32>,
    parts: usize,
}

fn read(mut response: Undecoded) -> Read {
    let mut read = Read::default();
    while let Some(part) = response.next_part() {
        assert!(part.next_offset > read.next_offset, "no progress");
        read.records
            .extend(part.records().map(|record| record.to_buf()));
        for it in &part.broken {
            let reason = it.defect.to_string();
            read.broken.push((it.first_offset, it.last_offset, reason));
        }
        read.passed.gaps += part.passed.gaps;
        read.passed.absent += part.passed.absent;
        read.passed.first = read.passed.first.or(part.passed.first);
        read.passed.control_batches += part.passed.control_batches;
        read.passed.aborted_records += part.passed.aborted_records;
        read.next_offset = part.next_offset;
        read.leader_epoch = part.leader_epoch.or(read.leader_epoch);
        read.parts += 1;
    }
    read
}

fn offsets(read: &Read) -> Vec<i64> {
    read.records.iter().map(|record| record.offset).collect()
}
