//! The byte stream to a broker: TCP, through a SOCKS5 proxy if there is one, with or without TLS.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use convoy_server_kit::{RunClock, nanos};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::broker::spec::Endpoint;
use crate::broker::wire::address::Address;
use crate::broker::wire::error::{Reason, Step};

/// A stream to a broker.
pub trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for S {}

/// A duration from the creation of this value, within which several steps must succeed.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    duration: Duration,
    clock: RunClock,
}

impl Deadline {
    pub fn after(duration: Duration) -> Self {
        let clock = RunClock::start();
        Self { duration, clock }
    }

    /// Returns the whole duration.
    pub fn duration(self) -> Duration {
        self.duration
    }

    /// Returns the time that is left.
    pub fn left(self) -> Duration {
        self.clock.until(nanos(self.duration))
    }

    /// Waits for a response. Cancels it at the deadline.
    pub async fn wait<T>(
        self,
        step: Step,
        response: impl Future<Output = T> + Send,
    ) -> Result<T, Reason> {
        let deadline = self.duration;
        let waited = tokio::time::timeout(self.left(), response).await;
        waited.map_err(|_elapsed| Reason::Timeout { step, deadline })
    }
}

/// Connects to a broker.
pub async fn connect(
    endpoint: &Endpoint,
    address: &str,
    deadline: Deadline,
) -> Result<Box<dyn Stream>, Reason> {
    let Address { host, port } = Address::parse(address).ok_or(Reason::Address)?;
    let stream = match endpoint.socks_proxy {
        None => deadline
            .wait(Step::Connecting, TcpStream::connect((host, port)))
            .await?
            .map_err(Reason::Io)?,
        Some(proxy) => {
            let failed = |error: &dyn fmt::Display| Reason::Proxy {
                proxy,
                text: error.to_string(),
            };
            let connecting = TcpStream::connect(proxy);
            let mut stream = deadline
                .wait(Step::Proxy, connecting)
                .await?
                .map_err(|error| failed(&error))?;
            let target = (host.to_owned(), port);
            let connecting = async_socks5::connect(&mut stream, target, None);
            deadline
                .wait(Step::Proxy, connecting)
                .await?
                .map_err(|error| failed(&error))?;
            stream
        }
    };
    // A request is written at once; it must not wait for the acknowledgement of an earlier one.
    stream.set_nodelay(true).map_err(Reason::Io)?;
    let Some(tls) = &endpoint.tls else {
        return Ok(Box::new(stream));
    };
    let name = ServerName::try_from(host.to_owned()).map_err(|_invalid| Reason::Address)?;
    let handshake = TlsConnector::from(std::sync::Arc::clone(&tls.config)).connect(name, stream);
    let stream = deadline
        .wait(Step::Handshake, handshake)
        .await?
        .map_err(Reason::Tls)?;
    Ok(Box::new(stream))
}
