//! Kafka as convoy uses it: endpoints, the client, TLS, and the broker in a container.

mod client;
pub mod container;
mod error;
mod failure;
mod spec;
mod tls;
pub mod wire;

pub use client::{BATCH_BYTES, Batch, Connector, Fetched, Partition, ProduceOutcome, Record};
pub use error::{Error, request_hint as hint};
pub use spec::{Compression, Endpoint, Login, Mechanism, SecurityProtocol};
pub use tls::Tls;
