//! The Schema Registry: which schema the payloads of a topic follow.
//!
//! ```text
//!  producer ─ Client ── register ──▶ registry (embedded | Redpanda's | Confluent's)
//!     │ wire: 0x00, id, JSON              ▲
//!     ▼                                   │ schema by id, once
//!  broker ────────────────▶ consumer ─ Client, PayloadValidator
//! ```

pub mod client;
pub mod error;
pub mod validator;
pub mod wire;

pub use client::{Client, Registered};
pub use convoy_registry_server::Credentials;
pub use convoy_registry_server::{Reference, Schema, SchemaType};
pub use error::Error;
pub use validator::PayloadValidator;

#[cfg(test)]
mod tests;
