//! The client behind a request.

use std::net::IpAddr;

use tokio_util::sync::CancellationToken;

/// Who sent a request.
#[derive(Debug, Clone, Copy)]
pub struct Client<'a> {
    /// The name it gives itself.
    pub id: &'a str,
    /// Where it connects from.
    pub address: IpAddr,
    /// Cancelled when the client has left or the broker stops: long waits end early.
    pub interrupted: &'a CancellationToken,
}
