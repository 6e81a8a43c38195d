//! The envelope: metadata of a message in one binary record header.
//!
//! One header instead of ten, because each costs two allocations on both sides. Big-endian:
//!
//! ```text
//!  0 version = 2 │ 1 flags │ 2..10 run │ 10..14 vehicle │ 14..22 sequence │ 22..30 intended ns
//!  30..38 sent ns │ 38..46 payload hash │ 46..54 emitted at ms │ 54..62 boot │ 62.. name of the run
//! ```
//!
//! Stamps count from the boot of the producer's machine, so that another process of the same boot
//! can compare them with its own; other machines compare the wall clock. The name of the run is in
//! every record, so that a consumer needs no settings of the producer.

use crate::record::identity::{DocumentId, RunKey};

/// Length of the longest name of a run, in bytes.
pub const MAX_RUN_ID: usize = 64;

/// Name of the record header.
const HEADER: &str = "convoy";

/// Length of an envelope without the name of its run, in bytes.
const FIXED_LENGTH: usize = 62;

/// End of the sequence, in bytes: run, vehicle and sequence come before it.
const IDENTITY_END: usize = 22;

const VERSION: u8 = 2;
const FLAG_WARM_UP: u8 = 1;

/// Identity, phase and stamps of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope {
    /// Key of the run.
    pub run: RunKey,
    /// Index of the vehicle.
    pub vehicle: u32,
    /// Number of the reading among those of its vehicle.
    pub sequence: u64,
    /// Whether the reading belongs to the warm-up.
    pub warm_up: bool,
    /// Intended instant of emission in nanoseconds: on the wire since the boot of the producer's
    /// machine, within a process on the run's clock.
    pub intended: u64,
    /// Instant at which the producer took it, counted as `intended`.
    pub sent: u64,
    /// Hash of the payload, without the schema id that a wire format may add.
    pub payload_hash: u64,
}

/// Run, machine and wall clock of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Emission<'a> {
    /// Name of the run.
    pub run_id: &'a str,
    /// Hash of the boot id of the producer's machine; zero if unknown.
    pub boot: u64,
    /// Intended instant in milliseconds since 1970.
    pub emitted_at_unix_ms: i64,
}

/// A record's header is not an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// The record has no `convoy` header.
    #[error("the record has no `{HEADER}` header")]
    Missing,
    /// The header is too short.
    #[error("the `{HEADER}` header has {length} bytes (expected at least {FIXED_LENGTH})")]
    Length {
        /// Length of the header.
        length: usize,
    },
    /// The header has an unknown version.
    #[error("the `{HEADER}` header has the unsupported version {version} (expected {VERSION})")]
    Version {
        /// Version of the header.
        version: u8,
    },
    /// The name of the run is missing, invalid, or does not match the key.
    #[error("the `{HEADER}` header does not contain the name of its run")]
    RunId,
}

/// Returns whether a name is valid for a run; it becomes part of file names.
pub fn is_run_id(name: &str) -> bool {
    let legal = |symbol: char| symbol.is_ascii_alphanumeric() || "._-".contains(symbol);
    let begins = name.starts_with(|symbol: char| symbol.is_ascii_alphanumeric());
    begins && name.len() <= MAX_RUN_ID && name.chars().all(legal)
}

impl Envelope {
    /// Name of the record header.
    pub const HEADER: &str = HEADER;

    /// Length of the header's value without the name of the run, in bytes.
    pub const FIXED_LENGTH: usize = FIXED_LENGTH;

    /// Length of a truncated header that still identifies the reading, in bytes.
    pub const IDENTITY_LENGTH: usize = IDENTITY_END;

    /// Returns the id of the reading's document.
    pub fn document_id(&self) -> DocumentId {
        DocumentId::new(self.run, self.vehicle, self.sequence)
    }

    /// Reads run, vehicle and sequence from the beginning of a header, which may be truncated.
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

    /// Returns the value of the header.
    pub fn encode(&self, emission: &Emission<'_>) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FIXED_LENGTH + emission.run_id.len());
        self.append(emission, &mut bytes);
        bytes
    }

    /// Appends the value of the header.
    pub fn append(&self, emission: &Emission<'_>, bytes: &mut Vec<u8>) {
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
    }

    /// Decodes the value of a header.
    pub fn decode(value: &[u8]) -> Result<(Self, Emission<'_>), EnvelopeError> {
        let length = value.len();
        match value.first() {
            None => return Err(EnvelopeError::Length { length }),
            Some(&VERSION) => {}
            Some(&version) => return Err(EnvelopeError::Version { version }),
        }
        let (bytes, run_id) = value
            .split_first_chunk::<FIXED_LENGTH>()
            .ok_or(EnvelopeError::Length { length })?;
        let run_id = std::str::from_utf8(run_id).map_err(|_| EnvelopeError::RunId)?;
        let run = RunKey::from_bits(u64::from_be_bytes(array(bytes, 2)));
        if !is_run_id(run_id) || run != RunKey::new(run_id) {
            return Err(EnvelopeError::RunId);
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
        .expect("offsets are within the fixed length")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn envelope_round_trips(
            run_id in "[a-z0-9][A-Za-z0-9._-]{0,63}", vehicle: u32, sequence: u64, warm_up: bool,
            intended: u64, sent: u64, payload_hash: u64, boot: u64, emitted_at_unix_ms: i64,
        ) {
            let run = RunKey::new(&run_id);
            let envelope = Envelope { run, vehicle, sequence, warm_up, intended, sent, payload_hash };
            let emission = Emission { run_id: &run_id, boot, emitted_at_unix_ms };
            let header = envelope.encode(&emission);
            prop_assert_eq!(Envelope::decode(&header), Ok((envelope, emission)));
        }

        #[test]
        fn truncated_header_identifies_its_reading_if_the_sequence_is_complete(
            run_id in "[a-z0-9]{1,64}", vehicle: u32, sequence: u64, length in 0..FIXED_LENGTH,
        ) {
            let run = RunKey::new(&run_id);
            let (warm_up, intended, sent, payload_hash) = (false, 1, 2, 3);
            let envelope = Envelope { run, vehicle, sequence, warm_up, intended, sent, payload_hash };
            let emission = Emission { run_id: &run_id, boot: 4, emitted_at_unix_ms: 5 };
            let expected = (length >= IDENTITY_END).then_some((run, vehicle, sequence));
            prop_assert_eq!(Envelope::identity(&envelope.encode(&emission)[..length]), expected);
        }

        #[test]
        fn any_bytes_decode_or_fail(
            version in 0_u8..4, rest in prop::collection::vec(any::<u8>(), 0..150),
        ) {
            let bytes = [&[version], rest.as_slice()].concat();
            match Envelope::decode(&bytes) {
                Ok((_, emission)) => prop_assert!(is_run_id(emission.run_id)),
                Err(EnvelopeError::Length { length }) => prop_assert_eq!(length, bytes.len()),
                Err(error) => prop_assert!(error == EnvelopeError::RunId || version != VERSION),
            }
        }
    }

    #[test]
    fn names_that_would_leave_their_directory_are_rejected() {
        for name in ["20261123-042804-7f3a", "a", "night_run.2"] {
            assert!(is_run_id(name), "{name}");
        }
        for name in ["", ".", "..", "a/b", "-x", "ä", &"x".repeat(65)] {
            assert!(!is_run_id(name), "{name}");
        }
    }
}
