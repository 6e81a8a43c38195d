//! Kafka as convoy uses it: endpoints, the client, TLS, and the broker in a container.

mod admin;
mod client;
pub mod container;
mod error;
mod failure;
mod producer;
mod spec;
mod tls;
pub mod wire;

pub use client::{Connector, Fetched, Partition, Record};
pub use error::{Error, request_hint as hint};
pub use producer::{BATCH_BYTES, Batch, HeaderRef, NewRecord, ProduceOutcome, Producer, Value};
pub use spec::{Compression, Endpoint, Login, Mechanism, SecurityProtocol};
pub use tls::Tls;
