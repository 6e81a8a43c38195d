//! The document store: what is asked for, what is live, the client, and the three kinds of it.

pub mod client;
pub mod container;
pub mod error;
pub mod pool;

pub use client::{Connection, Documents, InsertOutcome};
pub use error::Error;
