//! MongoDB as convoy uses it: the client, and the server in a container.

mod client;
mod collection;
pub mod container;
mod elsewhere;
mod error;
mod failure;
mod insert;
mod outcome;
mod pool;
mod scan;

pub use client::{Connection, Documents, binary_id};
pub use elsewhere::Newest;
pub use error::{Error, command_hint as hint};
pub use outcome::{InsertOutcome, Refusal, StoredIdentity, Updated, Upsert};
pub use pool::Checkouts;
