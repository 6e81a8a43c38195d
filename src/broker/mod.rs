//! Kafka as convoy uses it: endpoints, the client, reader and group member, TLS, and the broker in a
//! container.

mod client;
pub mod container;
mod error;
mod failure;
mod group;
mod producer;
mod reader;
mod remedy;
mod spec;
mod tls;
pub mod wire;

pub use client::Connector;
pub use error::{Error, request_hint as hint};
pub use group::{
    Committed, Coordinator, GroupDescription, GroupMember, Joined, LOWEST_SESSION_TIMEOUT,
    MemberDescription, MemberSettings, Offsets, Partitions,
};
pub use producer::{BATCH_BYTES, Batch, HeaderRef, NewRecord, ProduceOutcome, Producer, Value};
pub use reader::{
    BrokenBatch, Defect, Fetched, Isolation, Jump, MAX_DECOMPRESSED, Part, PartitionReader, Passed,
    Position, Record, RecordBuf, TopicId, Undecoded,
};
pub use remedy::{GroupStep, Remedy};
pub use spec::{Compression, Endpoint, Login, Mechanism, SecurityProtocol};
pub use tls::Tls;

#[cfg(test)]
pub(crate) use reader::tests as reader_tests;
