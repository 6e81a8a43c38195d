//! Client of a Schema Registry, Confluent's wire format, and validation of payloads.
//!
//! ```text
//!  producer ─ Client ── register ──▶ registry (embedded, Redpanda's or Confluent's)
//!     │ wire: 0x00, id, JSON              ▲
//!     ▼                                   │ schema by id, once
//!  broker ────────────────▶ consumer ─ Client, PayloadValidator
//! ```

mod client;
mod error;
mod validator;
pub mod wire;

pub use client::{Client, Registered, Settings};
pub use convoy_registry_server::{Reference, Schema, SchemaType};
pub use error::Error;
pub use validator::{PayloadValidator, Referenced};

#[cfg(test)]
mod tests;
