//! A Kafka broker in this process: one node, the real protocol, real files.
//!
//! For tests and tools that need a broker without Docker, a JVM or a download.
//!
//! ```text
//!  connection ─▶ frame ─▶ api/<request> ─▶ cluster ─▶ topic ─▶ partition ─▶ log/ ─▶ files
//!      ▲                    │ wire (decode), reply (encode)        │
//!      └──── one response per request, in order ◀── watchers ◀─────┘ wake waiting fetches
//! ```
//!
//! Record batches are checked, records included, and stored as the bytes that the producer sent; a fetch copies
//! them from the page cache into its response. Requests are decoded by a bounded reader: a count on
//! the wire never sizes an allocation.
//!
//! # Example
//!
//! Starts a server on a free port and asks for the versions that it supports, in raw bytes:
//!
//! ```
//! use convoy_kafka_server::{KafkaServer, Settings};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use tokio::net::TcpStream;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = KafkaServer::start(Settings::default()).await?;
//! println!("bootstrap.servers={}", server.bootstrap_servers());
//!
//! let mut client = TcpStream::connect(server.address()).await?;
//! let api_versions = [0, 18, 0, 0, 0, 0, 0, 7, 255, 255]; // API, version, correlation id, no client id
//! client.write_u32(api_versions.len() as u32).await?;
//! client.write_all(&api_versions).await?;
//! let _length = client.read_u32().await?;
//! assert_eq!(client.read_i32().await?, 7, "the correlation id");
//! assert_eq!(client.read_i16().await?, 0, "no error");
//!
//! server.stop().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Durability
//!
//! A record is acknowledged when it is in the page cache, as in Kafka: it survives the end of the
//! process. [`KafkaServer::sync`] and `upkeep_interval` sync it to the disk; [`KafkaServer::crash`]
//! loses what was not synced.
//!
//! # Features
//!
//! - `tls`: encrypted connections.
//! - `fuzzing`: entry points for fuzzers.
//!
//! # Data without a client
//!
//! [`KafkaServer::records`], [`KafkaServer::append`] and [`KafkaServer::progress`] read and write
//! topics and groups directly, for tests; `convoy-testkit` is made of them.
//!
//! # Faults
//!
//! [`Settings::faults`] takes a [`FaultHook`] that decides at each [`Moment`] which [`Fault`] to
//! inject: delays, closed connections, error codes, failed writes.

mod api;
mod auth;
mod batch;
mod broker_config;
mod cluster;
mod codec;
mod config;
mod connection;
mod data;
mod ending;
mod error;
mod faults;
mod frame;
#[cfg(feature = "fuzzing")]
pub mod fuzz;
mod group;
mod journal;
mod log;
mod memory;
mod open_files;
mod partition;
mod partitioner;
mod producer_ids;
mod records;
mod repair;
mod reply;
mod server;
mod settings;
mod snapshot;
mod storage;
#[cfg(test)]
mod tests;
mod topic;
mod traffic;
mod transactions;
mod varint;
mod watchers;
mod wire;

/// Kafka's protocol from untrusted bytes, for clients as well: frames and fields, all bounded.
pub mod protocol {
    pub use crate::batch::{Error as BatchError, HEADER_BYTES, Header, verify};
    pub use crate::codec::{GZIP, LZ4, NONE, SNAPPY, ZSTD, compress, decompress};
    pub use crate::frame::{Error as FrameError, Input};
    pub use crate::partitioner::partition_of_key;
    pub use crate::varint::{put_unsigned_varint, put_varint};
    pub use crate::wire::{Error as FieldError, Reader};
}

pub use convoy_server_kit::disk::Loss;
#[cfg(feature = "tls")]
pub use convoy_server_kit::tls;
pub use convoy_server_kit::{FaultHook, Limits, Secret, User};
pub use data::{DataError, GroupProgress, PartitionProgress, Record};
pub use error::{Error, StorageError};
pub use faults::{Fault, FaultPlan, Moment};
pub use repair::repair;
pub use server::KafkaServer;
pub use settings::Settings;
pub use snapshot::{GroupSnapshot, Snapshot, TopicSnapshot};
