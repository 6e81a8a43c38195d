//! The envelope: what a message says of itself besides its payload, in one binary record header.
//!
//! One header instead of ten, because each costs two allocations on either side. Big-endian:
//!
//! ```text
//!  0 version = 2 │ 1 flags │ 2..10 run │ 10..14 vehicle │ 14..22 sequence │ 22..30 intended ns
//!  30..38 sent ns │ 38..46 payload hash │ 46..54 emitted at ms │ 54..62 boot │ 62.. name of the run
//! ```
//!
//! Stamps count from the boot of the emitter's machine, so that another process of the same boot
//! compares them with its own; on another machine the wall clock must do. The name of the run is
//! in every record, so that who reads needs to agree on nothing with who writes.

use crate::record::identity::{DocumentId, RunKey};

/// Name of the record header.
pub const HEADER: &str = "convoy";

/// Bytes of an envelope before the name of its run.
pub const FIXED_LENGTH: usize = 62;

/// Bytes up to the end of the sequence: what says which reading it is.
pub const IDENTITY_END: usize = 22;

/// Bytes of the longest name of a run.
pub const MAX_RUN_ID: usize = 64;

const VERSION: u8 = 2;
const FLAG_WARM_UP: u8 = 1;

/// Identity, phase and stamps of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope {
    /// The run that emitted it.
    pub run: RunKey,
    /// Index of the vehicle.
    pub vehicle: u32,
    /// Number of the reading among its vehicle's.
    pub sequence: u64,
    /// Whether the reading belongs to the warm-up.
    pub warm_up: bool,
    /// When it should have been emitted, nanoseconds: on the wire since the boot of the emitter's
    /// machine, within a process on the run's clock.
    pub intended: u64,
    /// When the producer took it, counted as `intended` is.
    pub sent: u64,
    /// Hash of the payload, before any wire form is put around it.
    pub payload_hash: u64,
}

/// Who emitted a message, and when by the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Emission<'a> {
    /// Name of the run.
    pub run_id: &'a str,
    /// Boot of the emitter's machine, hashed; zero where the machine does not tell.
    pub boot: u64,
    /// Intended instant, milliseconds since 1970.
    pub emitted_at_unix_ms: i64,
}

/// A record's header is not an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The record has no `convoy` header.
    #[error("the record has no `{HEADER}` header")]
    Missing,
    /// The header has the wrong length.
    #[error("the `{HEADER}` header has {length} bytes, which is no envelope's length")]
    Length {
        /// Bytes it has.
        length: usize,
    },
    /// The header's version is unknown.
    #[error("the `{HEADER}` header has version {version}, known is {VERSION}")]
    Version {
        /// Version it has.
        version: u8,
    },
    /// The header names no run, or another than the one whose key it has.
    #[error("the `{HEADER}` header does not name its run")]
    RunId,
}

/// Returns whether a run can have this name, which becomes part of file names.
pub fn is_run_id(name: &str) -> bool {
    let legal = |symbol: char| symbol.is_ascii_alphanumeric() || "._-".contains(symbol);
    let begins = name.starts_with(|symbol: char| symbol.is_ascii_alphanumeric());
    begins && name.len() <= MAX_RUN_ID && name.chars().all(legal)
}

impl Envelope {
    /// Returns the id of the reading's document.
    pub fn document_id(&self) -> DocumentId {
        DocumentId::new(self.run, self.vehicle, self.sequence)
    }

    /// Reads run, vehicle and sequence from the beginning of a header, also where its end is cut off.
    pub fn identity(header: &[u8]) -> Option<(RunKey, u32, u64)> {
        let bytes: &[u8; IDENTITY_END] = header.first_chunk()?;
        if bytes[0] != VERSION {
            return None;
        }
        let number = |at: std::ops::Range<usize>| {
            let bytes = bytes[at].iter();
            bytes.fold(0, |number: u64, byte| number << 8 | u64::from(*byte))
        };
        let vehicle = u32::try_from(number(10..14)).ok()?;
        Some((RunKey::from_bits(number(2..10)), vehicle, number(14..22)))
    }

    /// Writes the header's value.
    pub fn encode(&self, emission: &Emission<'_>) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FIXED_LENGTH + emission.run_id.len());
        bytes.push(VERSION);
        bytes.push(if self.warm_up { FLAG_WARM_UP } else { 0 });
        bytes.extend_from_slice(&self.run.bits().to_be_bytes());
        bytes.extend_from_slice(&self.vehicle.to_be_bytes());
        bytes.extend_from_slice(&self.sequence.to_be_bytes());
        bytes.extend_from_slice(&self.intended.to_be_bytes());
        bytes.extend_from_slice(&self.sent.to_be_bytes());
        bytes.extend_from_slice(&self.payload_hash.to_be_bytes());
        bytes.extend_from_slice(&emission.emitted_at_unix_ms.to_be_bytes());
        bytes.extend_from_slice(&emission.boot.to_be_bytes());
        bytes.extend_from_slice(emission.run_id.as_bytes());
        bytes
    }

    /// Reads a header's value.
    pub fn decode(value: &[u8]) -> Result<(Self, Emission<'_>), Error> {
        let length = value.len();
        match value.first() {
            None => return Err(Error::Length { length }),
            Some(&VERSION) => {}
            Some(&version) => return Err(Error::Version { version }),
        }
        let (bytes, run_id) = value
            .split_first_chunk::<FIXED_LENGTH>()
            .ok_or(Error::Length { length })?;
        let run_id = std::str::from_utf8(run_id).map_err(|_| Error::RunId)?;
        let run = RunKey::from_bits(u64::from_be_bytes(array(bytes, 2)));
        if !is_run_id(run_id) || run != RunKey::of(run_id) {
            return Err(Error::RunId);
        }
        let envelope = Self {
            run,
            vehicle: u32::from_be_bytes(array(bytes, 10)),
            sequence: u64::from_be_bytes(array(bytes, 14)),
            warm_up: bytes[1] & FLAG_WARM_UP != 0,
            intended: u64::from_be_bytes(array(bytes, 22)),
            sent: u64::from_be_bytes(array(bytes, 30)),
            payload_hash: u64::from_be_bytes(array(bytes, 38)),
        };
        let emission = Emission {
            run_id,
            emitted_at_unix_ms: i64::from_be_bytes(array(bytes, 46)),
            boot: u64::from_be_bytes(array(bytes, 54)),
        };
        Ok((envelope, emission))
    }
}

fn array<const N: usize>(bytes: &[u8; FIXED_LENGTH], at: usize) -> [u8; N] {
    bytes[at..at + N]
        .try_into()
        .expect("offsets are those of the drawing above")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_envelope_survives_its_header(
            run_id in "[a-z0-9][A-Za-z0-9._-]{0,63}", vehicle: u32, sequence: u64, warm_up: bool,
            intended: u64, sent: u64, payload_hash: u64, boot: u64, emitted_at_unix_ms: i64,
        ) {
            let run = RunKey::of(&run_id);
            let envelope = Envelope { run, vehicle, sequence, warm_up, intended, sent, payload_hash };
            let emission = Emission { run_id: &run_id, boot, emitted_at_unix_ms };
            let header = envelope.encode(&emission);
            prop_assert_eq!(Envelope::decode(&header), Ok((envelope, emission)));
        }

        #[test]
        fn a_header_that_is_cut_off_behind_the_sequence_still_says_which_reading_it_is(
            run_id in "[a-z0-9]{1,64}", vehicle: u32, sequence: u64, length in 0..FIXED_LENGTH,
        ) {
            let run = RunKey::of(&run_id);
            let (warm_up, intended, sent, payload_hash) = (false, 1, 2, 3);
            let envelope = Envelope { run, vehicle, sequence, warm_up, intended, sent, payload_hash };
            let emission = Emission { run_id: &run_id, boot: 4, emitted_at_unix_ms: 5 };
            let expected = (length >= IDENTITY_END).then_some((run, vehicle, sequence));
            prop_assert_eq!(Envelope::identity(&envelope.encode(&emission)[..length]), expected);
        }

        #[test]
        fn any_bytes_are_read_or_refused(
            version in 0_u8..4, rest in prop::collection::vec(any::<u8>(), 0..150),
        ) {
            let bytes = [&[version], rest.as_slice()].concat();
            match Envelope::decode(&bytes) {
                Ok((_, emission)) => prop_assert!(is_run_id(emission.run_id)),
                Err(Error::Length { length }) => prop_assert_eq!(length, bytes.len()),
                Err(error) => prop_assert!(error == Error::RunId || version != VERSION),
            }
        }
    }

    #[test]
    fn names_that_would_leave_their_directory_are_none_of_a_run() {
        for name in ["20261123-042804-7f3a", "a", "night_run.2"] {
            assert!(is_run_id(name), "{name}");
        }
        for name in ["", ".", "..", "a/b", "-x", "ä", &"x".repeat(65)] {
            assert!(!is_run_id(name), "{name}");
        }
    }
}
