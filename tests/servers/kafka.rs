//! The Kafka server with rskafka.
