//! The key of a message.

use std::fmt;

use crate::load::random_bits;
use crate::string_enum::string_enum;

/// Length of the longest key, a UUID as text.
const MAX_KEY: usize = 36;

/// Positions of the hyphens in a UUID.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// Keeps the bits of keys independent of those of arrivals.
const KEY_STREAM: u64 = 0x6b65_7973;

string_enum! {
    /// What messages have as their key.
    #[derive(Default, Hash)]
    Key {
        /// The vehicle's number in decimal: a vehicle's readings share a partition and keep their
        /// order.
        #[default]
        Vehicle = "vehicle",
        /// A random UUID (version 4) per reading; the same seed gives the same UUIDs.
        Uuid = "uuid",
        /// No key: partitions take turns.
        None = "none",
    }
}

/// The bytes of a key, on the stack.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyBytes {
    bytes: [u8; MAX_KEY],
    length: usize,
}

impl Key {
    /// Returns the key of a vehicle's reading; `None` for [`Key::None`].
    pub fn for_reading(self, seed: u64, vehicle: u32, sequence: u64) -> Option<KeyBytes> {
        match self {
            Self::Vehicle => Some(KeyBytes::decimal(vehicle)),
            Self::Uuid => {
                let bits = |half: u64| {
                    let vehicle = u64::from(vehicle) << 1 | half;
                    u128::from(random_bits(seed ^ KEY_STREAM, vehicle, sequence))
                };
                Some(KeyBytes::uuid(bits(0) << 64 | bits(1)))
            }
            Self::None => None,
        }
    }
}

impl KeyBytes {
    fn decimal(number: u32) -> Self {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(number).as_bytes();
        let mut bytes = [0; MAX_KEY];
        bytes[..digits.len()].copy_from_slice(digits);
        Self {
            bytes,
            length: digits.len(),
        }
    }

    /// Writes 128 random bits as a UUID of version 4, variant 1.
    fn uuid(bits: u128) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let bits = bits & !(0xf << 76) | 4 << 76;
        let bits = bits & !(0x3 << 62) | 2 << 62;
        let mut bytes = [b'-'; MAX_KEY];
        let mut shift = u128::BITS;
        for (index, byte) in bytes.iter_mut().enumerate() {
            if !HYPHENS.contains(&index) {
                shift -= 4;
                *byte = DIGITS[(bits >> shift & 0xf) as usize];
            }
        }
        Self {
            bytes,
            length: MAX_KEY,
        }
    }
}

impl AsRef<[u8]> for KeyBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl fmt::Debug for KeyBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn text(key: Key, seed: u64, vehicle: u32, sequence: u64) -> String {
        let key = key
            .for_reading(seed, vehicle, sequence)
            .expect("readings have a key");
        String::from_utf8(key.as_ref().to_vec()).expect("keys are text")
    }

    #[test]
    fn vehicle_key_is_its_number() {
        assert_eq!(text(Key::Vehicle, 1, 0, 5), "0");
        assert_eq!(text(Key::Vehicle, 2, u32::MAX, 5), "4294967295");
        assert_eq!(Key::None.for_reading(1, 2, 3), None);
    }

    #[test]
    fn uuids_are_version_4_unique_and_repeatable() {
        let mut seen = BTreeSet::new();
        for vehicle in 0..50 {
            for sequence in 0..50 {
                let uuid = text(Key::Uuid, 42, vehicle, sequence);
                assert_eq!(uuid.len(), 36);
                assert_eq!(&uuid[14..15], "4", "version of {uuid}");
                assert!(
                    matches!(&uuid[19..20], "8" | "9" | "a" | "b"),
                    "variant of {uuid}"
                );
                assert_eq!(uuid.matches('-').count(), 4);
                assert_eq!(uuid, text(Key::Uuid, 42, vehicle, sequence));
                assert!(seen.insert(uuid));
            }
        }
        assert!(!seen.contains(&text(Key::Uuid, 43, 0, 0)));
    }

    #[test]
    fn displayed_kinds_parse_back() {
        for key in Key::ALL {
            assert_eq!(key.to_string().parse(), Ok(key));
        }
        assert!("id".parse::<Key>().is_err());
    }
}
