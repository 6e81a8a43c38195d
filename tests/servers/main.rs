//! Goal: the three servers answer well-known clients as Kafka, MongoDB and a Schema Registry do.
//! Method: rskafka, the MongoDB driver and reqwest against each server in this process.

mod kafka;
mod mongodb;
mod registry;
