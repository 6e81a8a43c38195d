//! Kafka's protocol as a client: connections, authentication, leaders, error codes.
//!
//! ```text
//!  Endpoint ─▶ connect_any ────▶ Connection ── topic_metadata ─▶ TopicMetadata
//!           └▶ connect_leader ─▶ Connection ── call ─▶ Response ─▶ fields, bounded
//! ```
//!
//! A connection that timed out, lost a request or received what is not Kafka's protocol is not
//! usable any more: its owner drops it and connects anew.

mod address;
mod code;
mod connection;
mod error;
mod metadata;
mod open;
mod request;
mod sasl;
#[cfg(test)]
mod tests;
mod transport;
mod versions;

pub(in crate::broker) use address::format as format_address;
pub use code::ErrorCode;
pub use connection::Connection;
pub use error::Error;
pub use metadata::{Leader, TopicMetadata, connect_any, connect_leader, topic_metadata};
pub use request::Response;
pub(in crate::broker) use request::{CLIENT_ID, put_request_header};
pub(in crate::broker) use transport::Deadline;
