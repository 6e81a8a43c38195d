//! The handshake of one connection.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Time limit for the handshake.
const DEADLINE: Duration = Duration::from_secs(10);

/// First bytes of a TLS connection: a handshake record, major version 3.
const RECORD_START: [u8; 2] = [22, 3];

/// Pause before looking again for a client's second byte, in the rare case that it comes alone.
const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// Performs the handshake; fails if the client does not within ten seconds.
pub async fn accept(tls: Arc<ServerConfig>, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
    let handshake = TlsAcceptor::from(tls).accept(stream);
    tokio::time::timeout(DEADLINE, handshake).await?
}

/// Waits for a client's first bytes, without consuming them, and returns whether they start TLS.
///
/// For protocols whose own first bytes differ from those of TLS.
pub async fn is_client_hello(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0; RECORD_START.len()];
    loop {
        let bytes = stream.peek(&mut first).await?;
        if bytes == 0 || bytes == first.len() || first[0] != RECORD_START[0] {
            return Ok(first == RECORD_START);
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
