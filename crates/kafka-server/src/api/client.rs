//! The client that sent a request.

use std::net::IpAddr;

use tokio_util::sync::CancellationToken;

/// The client that sent a request.
#[derive(Debug, Clone, Copy)]
pub struct Client<'a> {
    /// The client id in the request header.
    pub id: &'a str,
    pub address: IpAddr,
    /// Cancelled when the client leaves or the server stops, to end long waits.
    pub interrupted: &'a CancellationToken,
}
