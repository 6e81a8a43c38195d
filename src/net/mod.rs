//! What the embedded servers share: binding, the accept loop, connection limits, shutdown.

pub mod server;

pub use server::{Error, Limits, Server, bind};
