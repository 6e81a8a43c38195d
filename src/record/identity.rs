//! The deterministic `_id` of a reading's document.
//!
//! A UUID of version 8 (RFC 9562) that packs three numbers, most significant first, so that the ids
//! of a run increase in emission order and inserts stay at the right edge of the store's index:
//!
//! ```text
//!  run (56 bits) │ sequence (40 bits) │ vehicle (26 bits)        = 122 bits, plus version and variant
//! ```

use std::fmt;

/// Maximum number of vehicles: an index has 26 bits.
pub const MAX_VEHICLES: u32 = 1 << VEHICLE_BITS;

const VEHICLE_BITS: u32 = 26;
const SEQUENCE_BITS: u32 = 40;
const RUN_BITS: u32 = 56;

/// Bits below the variant field of a UUID.
const LOW_BITS: u32 = 62;
/// Bits between the version and the variant field.
const MIDDLE_BITS: u32 = 12;

/// The part of a document id that identifies the run: 56 bits of a hash of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunKey(u64);

impl RunKey {
    /// Derives the key from the run's name.
    pub fn new(run_id: &str) -> Self {
        Self(xxhash_rust::xxh3::xxh3_64(run_id.as_bytes()) >> (64 - RUN_BITS))
    }

    /// Restores the key from an envelope; ignores the upper eight bits.
    pub fn from_bits(bits: u64) -> Self {
        Self(bits & mask_u64(RUN_BITS))
    }

    /// Derives the key for records of a topic that do not belong to a run.
    ///
    /// A topic that is deleted and created again has another id, and other records at its offsets.
    pub fn for_topic(topic: &str, id: Option<&str>) -> Self {
        // Neither the name of a run nor that of a topic can contain a slash.
        match id {
            Some(id) => Self::new(&format!("/{topic}/{id}")),
            None => Self::new(&format!("/{topic}")),
        }
    }

    /// Returns the 56 bits.
    pub fn bits(self) -> u64 {
        self.0
    }
}

/// The `_id` of the document of one reading.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentId([u8; 16]);

impl DocumentId {
    /// Packs the id of a reading. Sequences wrap at 2^40, vehicles at `MAX_VEHICLES`.
    pub fn new(run: RunKey, vehicle: u32, sequence: u64) -> Self {
        let packed = (u128::from(run.0) << (SEQUENCE_BITS + VEHICLE_BITS))
            | (u128::from(sequence & mask_u64(SEQUENCE_BITS)) << VEHICLE_BITS)
            | u128::from(vehicle & (MAX_VEHICLES - 1));
        let high = packed >> (LOW_BITS + MIDDLE_BITS);
        let middle = (packed >> LOW_BITS) & mask(MIDDLE_BITS);
        let low = packed & mask(LOW_BITS);
        let uuid = (high << 80) | (0x8 << 76) | (middle << 64) | (0b10 << LOW_BITS) | low;
        Self(uuid.to_be_bytes())
    }

    /// Reads the id of a document; `None` if convoy did not create it.
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        let ours = bytes[6] >> 4 == 0x8 && bytes[8] >> 6 == 0b10;
        ours.then_some(Self(bytes))
    }

    /// Returns the 16 bytes of the UUID.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Returns the index of the vehicle.
    pub fn vehicle(&self) -> u32 {
        u32::try_from(self.packed() & mask(VEHICLE_BITS)).expect("26 bits fit in 32")
    }

    /// Returns the sequence of the reading.
    pub fn sequence(&self) -> u64 {
        u64::try_from((self.packed() >> VEHICLE_BITS) & mask(SEQUENCE_BITS))
            .expect("40 bits fit in 64")
    }

    /// Returns the key of the run.
    pub fn run(&self) -> RunKey {
        let bits = self.packed() >> (SEQUENCE_BITS + VEHICLE_BITS);
        RunKey(u64::try_from(bits).expect("56 bits fit in 64"))
    }

    fn packed(&self) -> u128 {
        let uuid = u128::from_be_bytes(self.0);
        let high = uuid >> 80;
        let middle = (uuid >> 64) & mask(MIDDLE_BITS);
        (high << (LOW_BITS + MIDDLE_BITS)) | (middle << LOW_BITS) | (uuid & mask(LOW_BITS))
    }
}

impl fmt::Debug for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "DocumentId(vehicle {}, sequence {})",
            self.vehicle(),
            self.sequence()
        )
    }
}

const fn mask(bits: u32) -> u128 {
    (1 << bits) - 1
}

const fn mask_u64(bits: u32) -> u64 {
    (1 << bits) - 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn id_round_trips(
            run in 0u64..1 << 56, vehicle in 0..MAX_VEHICLES, sequence in 0u64..1 << 40,
        ) {
            let id = DocumentId::new(RunKey(run), vehicle, sequence);
            prop_assert_eq!((id.run().0, id.vehicle(), id.sequence()), (run, vehicle, sequence));
            prop_assert_eq!(DocumentId::from_bytes(*id.as_bytes()), Some(id));
        }

        #[test]
        fn ids_sort_by_sequence_then_vehicle(
            a in (0u64..1 << 40, 0..MAX_VEHICLES), b in (0u64..1 << 40, 0..MAX_VEHICLES),
        ) {
            let run = RunKey::new("run");
            let (left, right) = (DocumentId::new(run, a.1, a.0), DocumentId::new(run, b.1, b.0));
            prop_assert_eq!(left.cmp(&right), a.cmp(&b));
        }
    }
}
