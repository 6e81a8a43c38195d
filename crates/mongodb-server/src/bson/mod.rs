//! BSON as bytes: read in place, checked once, ordered as MongoDB orders it.
//!
//! A document stays the bytes that it arrived as. [`Doc`] reads it in place, without a copy or an
//! allocation; [`Writer`] appends one to a buffer, [`Builder`] makes one by chained calls.
//!
//! ```text
//!  trusted bytes ──▶ validate ─▶ Doc::elements ────────▶ Element ─▶ Value (borrowed)
//!  unknown bytes ──────────────▶ Doc::checked_elements ─▶ Element or Invalid
//!
//!  Value, Rust types ─▶ Builder (owned bytes) ─▶ Writer (any buffer) ─▶ bytes
//! ```
//!
//! ```
//! use convoy_mongodb_server::bson::{Builder, Doc, Value, validate};
//!
//! let bytes = Builder::new().int32("ping", 1).string("$db", "admin").finish();
//! assert!(validate(&bytes).is_ok());
//! assert_eq!(Doc::new(&bytes).get("$db").as_ref().and_then(Value::as_str), Some("admin"));
//! ```
//!
//! # References
//!
//! <https://bsonspec.org/spec.html>,
//! <https://www.mongodb.com/docs/manual/reference/bson-type-comparison-order/>

pub(crate) mod builder;
mod checked;
pub(crate) mod decimal;
mod decode;
pub(crate) mod document;
mod invalid;
pub(crate) mod key;
mod kind;
mod object_id;
pub(crate) mod order;
pub(crate) mod shell;
pub mod subtype;
pub(crate) mod validate;
pub(crate) mod value;
mod writer;

pub use builder::{ArrayBuilder, Builder};
pub use checked::CheckedElements;
pub use decimal::Decimal128;
pub use document::{Doc, Element, Elements};
pub use invalid::Invalid;
pub(crate) use key::Key;
pub use kind::Kind;
pub use object_id::ObjectId;
pub use validate::{MAX_DOCUMENT_BYTES, document as validate};
pub use value::Value;
pub use writer::Writer;

#[cfg(test)]
pub(crate) mod strategies;
