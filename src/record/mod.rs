//! What travels: identity and envelope of a message, its payload, the document it becomes.
//!
//! Pure and synchronous. The payload is JSON; the document is raw BSON, written and read as bytes,
//! because building a tree of 171 fields per record costs more than everything else on the path.

pub mod document;
pub mod envelope;
pub mod identity;
pub mod payload;
pub mod typed;
pub mod untyped;

pub use document::{DocumentReader, Origin};
pub use envelope::{Emission, Envelope};
pub use identity::{DocumentId, RunKey};

/// Hashes a payload: what was emitted and what is stored must agree on it.
pub fn payload_hash(payload: &[u8]) -> u64 {
    if cfg!(feature = "unaudited") {
        return 0;
    }
    xxhash_rust::xxh3::xxh3_64(payload)
}
