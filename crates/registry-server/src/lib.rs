//! An in-process Schema Registry that Confluent's clients accept.
//!
//! It listens on a free port by default, keeps schemas in memory or in a journal on disk, and
//! checks JSON Schema, Avro and Protobuf for compatibility as Confluent's registry does.
//!
//! ```text
//!  http (limits, authentication) ─▶ api (routes) ─▶ state ◀─ journal (replayed at start)
//!                                       │             ▲
//!               compatibility ◀─ checker┘             └─ every change, synced first
//! ```
//!
//! # Example
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::TcpStream;
//!
//! use convoy_registry_server::{RegistryServer, Settings};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let server = RegistryServer::start(Settings::default()).await?;
//!     let address = server.address();
//!
//!     // Any HTTP client will do; here is the shortest one.
//!     let response = tokio::task::spawn_blocking(move || {
//!         let body = r#"{ "schemaType": "JSON", "schema": "{\"type\": \"integer\"}" }"#;
//!         let mut stream = TcpStream::connect(address)?;
//!         write!(
//!             stream,
//!             "POST /subjects/speed-value/versions HTTP/1.1\r\nHost: {address}\r\n\
//!              Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
//!             body.len(),
//!         )?;
//!         let mut response = String::new();
//!         stream.read_to_string(&mut response)?;
//!         Ok::<_, std::io::Error>(response)
//!     })
//!     .await??;
//!     assert!(response.starts_with("HTTP/1.1 200 OK"));
//!     assert!(response.ends_with(r#"{"id":1}"#));
//!
//!     server.stop().await?;
//!     Ok(())
//! }
//! ```
//!
//! # References
//!
//! Confluent's [Schema Registry API](https://docs.confluent.io/platform/current/schema-registry/develop/api.html).
//! Served: subjects, versions, schemas by id, lookup, soft and permanent deletion, compatibility
//! levels and checks, modes, references, contexts. Not served: Protobuf editions,
//! exporters, data contracts, TLS.
//!
//! # Features
//!
//! - `protobuf`: schemas in Protobuf. Without it they are rejected by name.
//! - `fuzzing`: entry points for fuzzers.

mod accept;
mod api;
mod authorization;
mod avro;
mod canonical;
mod checker;
mod compatibility;
mod context;
mod error;
mod finding;
#[cfg(feature = "fuzzing")]
pub mod fuzz;
mod http;
mod journal;
#[cfg_attr(not(feature = "json-schema"), path = "without_json_schema.rs")]
mod json_schema;
mod origin;
mod parse;
#[cfg_attr(not(feature = "protobuf"), path = "without_protobuf.rs")]
mod protobuf;
mod references;
mod schema;
mod server;
mod settings;
mod state;

pub use convoy_server_kit::disk::Loss;
pub use convoy_server_kit::{Limits, Secret, User};

pub use crate::error::{Error, StorageError};
pub use crate::schema::{Reference, Schema, SchemaType};
pub use crate::server::{RegistryServer, repair};
pub use crate::settings::Settings;

#[cfg(test)]
mod tests;
