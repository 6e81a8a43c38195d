//! Kafka, MongoDB and a Schema Registry inside your tests.
//!
//! The servers run in the test's process, on free ports of loopback, with the real protocols and real
//! files: no Docker, no download, no child process. They start in milliseconds and end when they are
//! dropped, so each test has its own and all run at once.
//!
//! ```
//! use std::time::Duration;
//!
//! use convoy_testkit::{Api, ErrorCode, Identity, Servers};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let servers = Servers::builder().topic("orders", 3).start().await?;
//! let kafka = servers.kafka();
//!
//! // Start the program under test with these:
//! let (_bootstrap, _uri) = (servers.bootstrap_servers(), servers.uri());
//!
//! // Make things go wrong, always in the same way:
//! kafka.faults().fail_next(Api::Produce, ErrorCode::NOT_ENOUGH_REPLICAS, 2);
//! kafka.faults().cut_after_append(0.05, 42); // stored, but the producer never hears of it
//! servers.mongo().faults().delay_next("insert", Duration::from_millis(50), 1);
//! kafka.restart().await?; // the same address, the same data
//!
//! // Look at the results without a client:
//! assert!(kafka.records("orders")?.is_empty());
//! kafka.wait_until_committed("billing", "orders", 0, Duration::from_secs(5)).await?;
//! servers.assert_all_stored("orders", "shop.orders", &Identity::key("_id"));
//! # Ok(())
//! # }
//! ```
//!
//! # Threads
//!
//! Servers run on threads of their own, whatever the test runs on: `#[tokio::test]` with one thread,
//! another runtime, or none ([`blocking`]). All types are `Send` and `Sync`, so a `static` or an
//! `Arc` can share them between tests.
//!
//! # When a test fails
//!
//! [`Error`] has the same text in `Display` and `Debug`, with all causes. If a test panics, the last
//! lines that the servers logged are in its output, which `cargo test` shows for failed tests alone.
//!
//! # What it is not
//!
//! One broker and one store without replicas, without transactions in MongoDB: a test double. The
//! README says what the servers can do and which clients were tried.
//!
//! # Features
//!
//! - `json-schema` and `protobuf`: schemas that are not Avro.
//! - `time-zones`: time zones by name in MongoDB's dates.
//! - `tls`: encrypted connections to the broker, `Kafka::builder().tls()`.
//! - `zstd`: batches in Zstandard.

pub mod blocking;
mod error;
mod host;
mod kafka;
mod logs;
mod mode;
mod mongo;
mod random;
mod registry;
mod rules;
mod servers;
mod stored;
mod variables;

pub use convoy_kafka_server::{DataError as KafkaDataError, Record};
pub use convoy_mongodb_server::{DataError as MongoDataError, ErrorReply, Fault, bson};
pub use error::{BoxError, Error};
pub use kafka::{Api, ErrorCode, Kafka, KafkaBuilder, KafkaFaults};
pub use mode::{Async, Blocking};
pub use mongo::{Document, Mongo, MongoBuilder, MongoFaults};
pub use registry::{Registry, RegistryBuilder};
pub use servers::{Servers, ServersBuilder};
pub use stored::{Difference, Identity, assert_all_stored};
pub use variables::Variables;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
