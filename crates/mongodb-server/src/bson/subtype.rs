//! Subtypes of binary data.

/// Any bytes.
pub const GENERIC: u8 = 0;

/// A UUID, in the byte order of RFC 9562.
pub const UUID: u8 = 4;
