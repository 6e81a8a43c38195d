//! Reasons why bytes are not BSON.

/// Depth to which documents and arrays may be nested, the outermost counted.
pub const MAX_DEPTH: usize = 100;

/// Why bytes are not a document, with the byte at which it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// A length, an end marker or a value runs past what encloses it.
    #[error("invalid BSON: a length is wrong at byte {at}")]
    Length {
        /// Offset from the start of the document.
        at: usize,
    },
    /// An element has a type that does not exist.
    #[error("invalid BSON: unrecognized type {kind:#04x} at byte {at}")]
    UnknownType {
        /// The type byte.
        kind: u8,
        /// Offset from the start of the document.
        at: usize,
    },
    /// A name or a string is not UTF-8.
    #[error("invalid BSON: text is not UTF-8 at byte {at}")]
    Text {
        /// Offset from the start of the document.
        at: usize,
    },
    /// A boolean is neither 0 nor 1, or a string is not closed by a zero.
    #[error("invalid BSON: a value is malformed at byte {at}")]
    Value {
        /// Offset from the start of the document.
        at: usize,
    },
    /// Documents are nested too deep.
    #[error("exceeded maximum nested object depth: {MAX_DEPTH}")]
    Depth,
}
