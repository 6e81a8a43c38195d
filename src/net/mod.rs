//! What broker and store share: the accept loop of embedded servers with its limits, TLS, secrets, the
//! container engine, and who owns what outlives a process.

pub mod cause;
pub mod container;
pub mod engine;
pub mod nodelay;
pub mod owner;
pub mod proxy;

pub use cause::Cause;
