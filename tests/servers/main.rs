//! Goal: the three servers answer well-known clients as Kafka, MongoDB and a Schema Registry do.
//! Method: rskafka, the MongoDB driver and reqwest against each server in this process.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests panic"
)]
#![allow(missing_docs, reason = "a test's name says what it shows")]

mod kafka;
mod mongodb;
mod registry;
