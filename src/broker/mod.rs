//! The broker: what is asked for, what is live, the client, and the three kinds of it.

pub mod client;
pub mod container;
pub mod error;
pub mod spec;
pub mod tls;

pub use client::{Connector, Partition};
pub use error::Error;
pub use spec::{Compression, Endpoint, Login, Mechanism, SecurityProtocol};
pub use tls::Tls;
