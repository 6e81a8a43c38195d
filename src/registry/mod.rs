//! The Schema Registry: which schema the payloads of a topic follow.
//!
//! ```text
//!  producer ─ Client ── register ──▶ registry (embedded | Redpanda's | Confluent's)
//!     │ wire: 0x00, id, JSON              ▲
//!     ▼                                   │ schema by id, once
//!  broker ────────────────▶ consumer ─ Client, PayloadValidator
//! ```

pub mod client;
pub mod credentials;
pub mod embedded;
pub mod error;
mod percent;
pub mod schema;
pub mod validator;
pub mod wire;

pub use client::{Client, Registered};
pub use credentials::Credentials;
pub use error::Error;
pub use schema::{Reference, Schema, SchemaType};
pub use validator::PayloadValidator;
