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

/// Whether this build hashes payloads and documents.
///
/// A build with `--cfg convoy_unaudited` does not, to measure the cost: its audit counts documents
/// and cannot tell whether their content changed, and its reports say so.
pub const HASHES_CONTENT: bool = !cfg!(convoy_unaudited);

/// Hashes a payload: the emitted reading and its document must have the same hash.
pub fn payload_hash(payload: &[u8]) -> u64 {
    if !HASHES_CONTENT {
        return 0;
    }
    xxhash_rust::xxh3::xxh3_64(payload)
}
