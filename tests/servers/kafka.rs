//! The Kafka server with rskafka.

mod client;
mod faults;
mod security;
