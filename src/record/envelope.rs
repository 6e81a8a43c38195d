//! The envelope: what a message says of itself besides its payload, in one binary record header.
//!
//! One header instead of eight, because each costs two allocations on either side. Big-endian:
//!
//! ```text
//!  0 version = 1 │ 1 flags │ 2..10 run │ 10..14 vehicle │ 14..22 sequence
//!  22..30 intended ns │ 30..38 sent ns │ 38..46 payload hash
//! ```

use super::identity::{DocumentId, RunKey};

/// Name of the record header.
pub const HEADER: &str = "convoy";

/// Bytes of an envelope.
pub const LENGTH: usize = 46;

/// Bytes up to the end of the sequence: what says which reading it is.
pub const IDENTITY_END: usize = 22;

const VERSION: u8 = 1;
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
    /// When it should have been emitted, nanoseconds on the run's clock.
    pub intended: u64,
    /// When the producer took it, nanoseconds on the run's clock.
    pub sent: u64,
    /// Hash of the payload, before any wire form is put around it.
    pub payload_hash: u64,
}

/// A record's header is not an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The record has no `convoy` header.
    #[error("the record has no `{HEADER}` header")]
    Missing,
    /// The header has the wrong length.
    #[error("the `{HEADER}` header has {length} bytes instead of {LENGTH}")]
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
    pub fn encode(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[0] = VERSION;
        bytes[1] = if self.warm_up { FLAG_WARM_UP } else { 0 };
        bytes[2..10].copy_from_slice(&self.run.bits().to_be_bytes());
        bytes[10..14].copy_from_slice(&self.vehicle.to_be_bytes());
        bytes[14..22].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[22..30].copy_from_slice(&self.intended.to_be_bytes());
        bytes[30..38].copy_from_slice(&self.sent.to_be_bytes());
        bytes[38..46].copy_from_slice(&self.payload_hash.to_be_bytes());
        bytes
    }

    /// Reads a header's value.
    pub fn decode(value: &[u8]) -> Result<Self, Error> {
        let bytes: &[u8; LENGTH] = value.try_into().map_err(|_| Error::Length {
            length: value.len(),
        })?;
        if bytes[0] != VERSION {
            return Err(Error::Version { version: bytes[0] });
        }
        let u64_at = |at: usize| {
            u64::from_be_bytes(
                bytes[at..at + 8]
                    .try_into()
                    .expect("eight bytes were taken"),
            )
        };
        Ok(Self {
            run: RunKey::from_bits(u64_at(2)),
            vehicle: u32::from_be_bytes(bytes[10..14].try_into().expect("four bytes were taken")),
            sequence: u64_at(14),
            warm_up: bytes[1] & FLAG_WARM_UP != 0,
            intended: u64_at(22),
            sent: u64_at(30),
            payload_hash: u64_at(38),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_envelope_survives_its_header(
            run in 0u64..1 << 56, vehicle: u32, sequence: u64, warm_up: bool,
            intended: u64, sent: u64, payload_hash: u64,
        ) {
            let run = RunKey::from_bits(run);
            let envelope = Envelope { run, vehicle, sequence, warm_up, intended, sent, payload_hash };
            prop_assert_eq!(Envelope::decode(&envelope.encode()), Ok(envelope));
        }

        #[test]
        fn a_header_that_is_cut_off_behind_the_sequence_still_says_which_reading_it_is(
            run in 0u64..1 << 56, vehicle: u32, sequence: u64, length in 0..LENGTH,
        ) {
            let run = RunKey::from_bits(run);
            let (warm_up, intended, sent, payload_hash) = (false, 1, 2, 3);
            let envelope = Envelope { run, vehicle, sequence, warm_up, intended, sent, payload_hash };
            let expected = (length >= IDENTITY_END).then_some((run, vehicle, sequence));
            prop_assert_eq!(Envelope::identity(&envelope.encode()[..length]), expected);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            match Envelope::decode(&bytes) {
                Ok(_) => prop_assert_eq!((bytes.len(), bytes[0]), (LENGTH, VERSION)),
                Err(Error::Length { length }) => prop_assert_eq!(length, bytes.len()),
                Err(error) => prop_assert_eq!(error, Error::Version { version: bytes[0] }),
            }
        }
    }
}
