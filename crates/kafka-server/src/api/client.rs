//! The client that sent a request.

use std::net::IpAddr;

use tokio_util::sync::CancellationToken;

use crate::memory::ResponseMemory;

/// The client that sent a request.
#[derive(Debug, Clone, Copy)]
pub struct Client<'a> {
    /// The client id in the request header.
    pub id: &'a str,
    pub address: IpAddr,
    /// Memory of the response, shared with all connections.
    pub response_memory: &'a ResponseMemory,
    /// Cancelled when the client leaves or the server stops, to end long waits.
    pub interrupted: &'a CancellationToken,
}
