//! BSON as bytes: read in place, checked once, ordered as MongoDB orders it.
//!
//! Documents stay the bytes that the client sent. Bytes from a socket pass [`validate`] once; every
//! other part of the store then reads them through [`Doc`], which copies and allocates nothing and
//! cannot fail. Building a tree of values per document costs ten times what storing it does.
//!
//! ```text
//!  socket ─▶ validate ─▶ Doc ─▶ Value (borrowed) ─▶ order::compare   who is greater
//!                                                └▶ key::encode      the same as bytes for indexes
//!  Builder ◀─ Value (owned) ◀─ expressions, updates
//! ```
//!
//! # References
//!
//! <https://bsonspec.org/spec.html>,
//! <https://www.mongodb.com/docs/manual/reference/bson-type-comparison-order/>

pub mod builder;
pub mod decimal;
mod decode;
pub mod document;
pub mod key;
pub mod kind;
pub mod object_id;
pub mod order;
pub mod shell;
pub mod subtype;
pub mod validate;
pub mod value;

pub use builder::{ArrayBuilder, Builder};
pub use decimal::Decimal128;
pub use document::{Doc, Element};
pub use key::Key;
pub use kind::Kind;
pub use object_id::ObjectId;
pub use validate::Invalid;
pub use value::Value;

/// Bytes of the largest document that may be stored or returned: 16 MiB.
pub const MAX_DOCUMENT_BYTES: usize = 16 * 1024 * 1024;

#[cfg(test)]
pub mod strategies;
