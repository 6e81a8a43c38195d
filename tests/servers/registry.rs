//! The Schema Registry server with reqwest.
