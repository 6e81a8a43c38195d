//! MongoDB as convoy uses it: the client, and the server in a container.

mod client;
pub mod container;
mod error;
mod failure;
mod pool;

pub use client::{Connection, Documents, InsertOutcome, Refusal, StoredIdentity, Updated, Upsert};
pub use error::{Error, command_hint as hint};
pub use pool::Checkouts;
