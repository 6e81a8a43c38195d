//! The records of one fetch response: decoded part by part, so that few bytes never become many at
//! once.

use bytes::Bytes;
use convoy_kafka_server::protocol::{Header, verify};

use crate::broker::reader::aborted::Aborted;
use crate::broker::reader::batch::Batch;
use crate::broker::reader::defect::Defect;
use crate::broker::reader::position::{Jump, Position};
use crate::broker::reader::record::Record;

/// Decompressed bytes after which a part ends.
const PART_BYTES: usize = 4 * 1024 * 1024;

/// Bytes of base offset and length, which the length excludes.
const PREFIX_BYTES: usize = 12;

/// Bytes until the number of the message format.
const MAGIC_AT: usize = 16;

/// Records that are not decoded yet.
#[derive(Debug)]
pub struct Undecoded {
    bytes: Bytes,
    aborted: Aborted,
    position: Position,
    /// Offset after the last record of the log.
    end: i64,
}

/// Some records of a fetch response, in order.
#[derive(Debug, Default)]
pub struct Part {
    /// Offset after the last record, or after what was passed.
    pub next_offset: i64,
    /// Epoch of the leader that appended the last batch; `None` if the format has none.
    pub leader_epoch: Option<i32>,
    /// Batches that cannot be decoded.
    pub broken: Vec<BrokenBatch>,
    /// Offsets that were passed.
    pub passed: Passed,
    batches: Vec<Batch>,
    /// Records before it were read before.
    start: i64,
}

/// Offsets without a record for the reader.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Passed {
    /// Gaps between records, such as compaction leaves.
    pub gaps: usize,
    /// Offsets in these gaps.
    pub absent: u64,
    /// The first gap.
    pub first: Option<Jump>,
    /// Control batches: the ends of transactions.
    pub control_batches: usize,
    /// Records of aborted transactions.
    pub aborted_records: usize,
}

/// A batch that cannot be decoded.
#[derive(Debug)]
pub struct BrokenBatch {
    /// Offset of the first record.
    pub first_offset: i64,
    /// Offset of the last record.
    pub last_offset: i64,
    /// Bytes of the batch, as they were fetched.
    pub bytes: Bytes,
    /// Why it cannot be decoded.
    pub defect: Defect,
}

impl Passed {
    /// Counts a gap until the record at an offset.
    fn gap(&mut self, jump: Jump) {
        self.gaps += 1;
        self.absent = self
            .absent
            .saturating_add(jump.found.saturating_sub(jump.expected).unsigned_abs());
        self.first.get_or_insert(jump);
    }
}

impl Part {
    /// Creates a part of offsets that have no record.
    pub fn absent(expected: i64, found: i64) -> Self {
        let mut part = Self {
            next_offset: found,
            start: expected,
            ..Self::default()
        };
        part.passed.gap(Jump { expected, found });
        part
    }

    /// Returns the records in order.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let records = self.batches.iter().flat_map(Batch::records);
        records.filter(|record| record.offset >= self.start)
    }

    /// Returns whether the part has nothing but a new position.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty() && self.broken.is_empty()
    }
}

/// What is known of a batch before its records are decoded.
struct Outline {
    first: i64,
    /// `None` if the format is unknown.
    last: Option<i64>,
    leader_epoch: Option<i32>,
}

/// A batch as the reader takes it.
enum Kind {
    Records { batch: Batch, count: usize },
    Control,
    Aborted { records: usize },
}

impl Undecoded {
    /// Takes the bytes of a response to a fetch at an offset; the log ends at `end`.
    pub fn new(bytes: Bytes, aborted: Aborted, offset: i64, end: i64) -> Self {
        Self {
            bytes,
            aborted,
            position: Position::new(offset),
            end,
        }
    }

    /// Returns the bytes that the first batch needs, if it is cut.
    pub fn cut_batch(&self) -> Option<usize> {
        let total = stated_bytes(&self.bytes)?.ok()?;
        (total > self.bytes.len()).then_some(total)
    }

    /// Decodes the next part; `None` after the last one.
    pub fn next_part(&mut self) -> Option<Part> {
        let start = self.position.offset();
        let mut part = Part {
            start,
            ..Part::default()
        };
        let mut decompressed = 0;
        while decompressed < PART_BYTES {
            let Some(bytes) = self.next_batch() else {
                break;
            };
            decompressed += self.decode(bytes, &mut part);
        }
        part.next_offset = self.position.offset();
        (part.next_offset > start).then_some(part)
    }

    /// Splits the next batch off; `None` if the rest is not a whole one.
    fn next_batch(&mut self) -> Option<Bytes> {
        match stated_bytes(&self.bytes)? {
            Ok(total) if total <= self.bytes.len() => Some(self.bytes.split_to(total)),
            Ok(_cut) => None,
            // Where the next batch begins is not known.
            Err(_length) => Some(std::mem::take(&mut self.bytes)),
        }
    }

    /// Adds a batch to a part, and returns the bytes that were decompressed for it.
    fn decode(&mut self, bytes: Bytes, part: &mut Part) -> usize {
        let (outline, kind) = match self.kind(&bytes) {
            Ok(decoded) => decoded,
            Err(defect) => {
                part.broken
                    .push(self.broken(bytes, defect, &mut part.passed));
                return 0;
            }
        };
        let after = outline.after();
        if after <= self.position.offset() {
            return 0;
        }
        part.leader_epoch = outline.leader_epoch.or(part.leader_epoch);
        let mut decompressed = 0;
        match kind {
            Kind::Records { batch, count } => {
                decompressed = batch.size();
                if outline.offsets() == count as u64 {
                    self.reach(outline.first, &mut part.passed);
                    self.position = Position::new(after);
                } else {
                    self.pass_records(&batch, &mut part.passed);
                    self.reach(after, &mut part.passed);
                }
                part.batches.push(batch);
            }
            Kind::Control | Kind::Aborted { .. } => {
                self.reach(outline.first, &mut part.passed);
                self.position = Position::new(after);
                part.passed.count(&kind);
            }
        }
        decompressed
    }

    /// Moves past a batch that cannot be decoded.
    fn broken(&mut self, bytes: Bytes, defect: Defect, passed: &mut Passed) -> BrokenBatch {
        let outline = Outline::read(&bytes);
        let position = self.position.offset();
        let last = self.last_of_broken(&outline);
        let first = if outline.first > last {
            position
        } else {
            outline.first.max(position)
        };
        self.reach(first, passed);
        self.position = Position::new(last.saturating_add(1));
        BrokenBatch {
            first_offset: first,
            last_offset: last,
            bytes,
            defect,
        }
    }

    /// Returns the last offset of a broken batch: before the next batch and before the log's end. What
    /// the batch says of itself may be wrong as well, or unknown.
    fn last_of_broken(&self, outline: &Outline) -> i64 {
        let position = self.position.offset();
        let next = Outline::read(&self.bytes).first;
        let limit = if self.bytes.len() > MAGIC_AT && next > position {
            next.min(self.end)
        } else {
            self.end
        };
        let before = limit.saturating_sub(1);
        let last = match outline.last {
            Some(last) => last.min(before),
            None if limit < self.end => before,
            None => outline.first.min(before),
        };
        last.max(position)
    }

    /// Checks and decodes a batch.
    fn kind(&mut self, bytes: &Bytes) -> Result<(Outline, Kind), Defect> {
        if let Some(Err(length)) = stated_bytes(bytes) {
            return Err(Defect::Length { length });
        }
        match bytes.get(MAGIC_AT).map(|magic| magic.cast_signed()) {
            Some(2) => self.records(bytes),
            Some(0 | 1) => {
                let batch = Batch::of_messages(bytes)?;
                let first = batch.records().next().map_or(0, |it| it.offset);
                let (count, last) = batch
                    .records()
                    .fold((0, first), |(count, _), record| (count + 1, record.offset));
                let outline = Outline {
                    first,
                    last: Some(last),
                    leader_epoch: None,
                };
                Ok((outline, Kind::Records { batch, count }))
            }
            magic => Err(Defect::Magic {
                magic: magic.unwrap_or(-1),
            }),
        }
    }

    fn records(&mut self, bytes: &Bytes) -> Result<(Outline, Kind), Defect> {
        let header = verify(bytes)?;
        if header.last_offset_delta < 0 || header.base_offset < 0 {
            return Err(Defect::Field {
                index: 0,
                field: "offset",
            });
        }
        let outline = Outline::of(&header);
        let aborted = self.aborted.contains(&header);
        let count = usize::try_from(header.records).unwrap_or_default();
        let kind = if header.control() {
            Kind::Control
        } else if aborted {
            Kind::Aborted { records: count }
        } else {
            let batch = Batch::of_records(&header, bytes)?;
            Kind::Records { batch, count }
        };
        Ok((outline, kind))
    }

    fn pass_records(&mut self, batch: &Batch, passed: &mut Passed) {
        let start = self.position.offset();
        for record in batch.records().filter(|record| record.offset >= start) {
            if let Err(jump) = self.position.pass(record.offset) {
                passed.gap(jump);
                self.position = Position::new(record.offset.saturating_add(1));
            }
        }
    }

    /// Moves to an offset; what is between is a gap.
    fn reach(&mut self, offset: i64, passed: &mut Passed) {
        let expected = self.position.offset();
        if offset > expected {
            passed.gap(Jump {
                expected,
                found: offset,
            });
            self.position = Position::new(offset);
        }
    }
}

impl Passed {
    fn count(&mut self, kind: &Kind) {
        match kind {
            Kind::Records { .. } => {}
            Kind::Control => self.control_batches += 1,
            Kind::Aborted { records } => self.aborted_records += records,
        }
    }
}

impl Outline {
    /// Returns the number of offsets.
    fn offsets(&self) -> u64 {
        self.after().saturating_sub(self.first).unsigned_abs()
    }

    /// Returns the offset after the last record.
    fn after(&self) -> i64 {
        self.last.unwrap_or(self.first).saturating_add(1)
    }

    fn of(header: &Header) -> Self {
        Self {
            first: header.base_offset,
            last: Some(header.next_offset().saturating_sub(1)),
            leader_epoch: Some(header.leader_epoch).filter(|epoch| *epoch >= 0),
        }
    }

    /// Reads what a batch says of itself, true or not.
    fn read(bytes: &[u8]) -> Self {
        if let Ok(header) = Header::parse(bytes) {
            return Self::of(&header);
        }
        let offset = bytes.first_chunk().map_or(0, |it| i64::from_be_bytes(*it));
        // The offset of compressed messages is that of the last one.
        let messages = matches!(bytes.get(MAGIC_AT), Some(0 | 1));
        Self {
            first: if messages { i64::MIN } else { offset },
            last: messages.then_some(offset),
            leader_epoch: None,
        }
    }
}

/// Returns the bytes of the first batch as it states them, or its length if no batch can have it.
/// `None` if the bytes end before the length.
fn stated_bytes(bytes: &[u8]) -> Option<Result<usize, i32>> {
    let length = bytes.get(8..PREFIX_BYTES)?.first_chunk()?;
    let length = i32::from_be_bytes(*length);
    let total = usize::try_from(length)
        .ok()
        .map(|length| length.saturating_add(PREFIX_BYTES));
    Some(total.filter(|total| *total > MAGIC_AT).ok_or(length))
}
