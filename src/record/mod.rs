//! A record: the identity and envelope of a message, its payload, and the document it becomes.
//!
//! Pure and synchronous. The payload is JSON; the document is raw BSON, written and read as bytes,
//! because building a tree of 171 fields per record costs more than all other steps together.

mod comparison;
mod digits;
mod document;
mod envelope;
mod exact;
mod field_names;
mod fields;
mod flat;
mod headers;
mod identity;
mod learned;
mod names;
mod no_identity;
mod payload;
mod payload_identity;
mod stored;
mod syntax;
mod typed;
mod untyped;

pub use comparison::{Difference, first_difference};
pub use document::{Origin, write_anonymous_document, write_document, write_document_with};
pub use envelope::{Emission, Envelope, EnvelopeError, MAX_RUN_ID, is_run_id};
pub use exact::exact_document;
pub use fields::{Fields, write_nullable};
pub use headers::{Header, Headers, RecordHeader, RecordHeaders};
pub use identity::{DocumentId, RunKey};
pub use names::RESERVED_FIELDS;
pub use no_identity::{NoIdentity, explain_no_identity};
pub use payload::{EncodeError, PayloadEncoder, write_json_string};
pub use payload_identity::{
    FoundIdentity, IDENTITY_FIELDS, PayloadIdentity, find_identity, identity_columns,
};
pub use stored::{DocumentReader, StoredDocument, Unreadable};
pub use syntax::explain_syntax;
pub use typed::{DecodeError, PayloadDecoder};
pub use untyped::UntypedDecoder;

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
