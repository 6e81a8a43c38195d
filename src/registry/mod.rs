//! The Schema Registry: client and embedded server.
