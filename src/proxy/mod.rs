//! A SOCKS5 proxy that injects faults into connections to servers without fail points.
//!
//! It forwards bytes in both directions and does not parse them. Everything that a client sends before
//! the server has responded counts as one request. Before each request, a plan decides on the fault.
//!
//! ```text
//!  client ──▶ request ──▶ plan ─┬▶ forward, or delay ──▶ server ──▶ response ──▶ client
//!                               ├▶ cut before: the server does not receive the request
//!                               └▶ cut after: the server handles the request, the response is lost
//! ```

mod socks;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use self::socks::Reply;
pub use self::socks::destination;
use convoy_server_kit::{Error, Limits, Server, bind};

/// Size of the buffer of each direction of a connection.
const BUFFER_BYTES: usize = 64 * 1024;

/// Deadline for the SOCKS5 handshake of a client.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(8);

/// Deadline for connecting to the server.
const CONNECT_DEADLINE: Duration = Duration::from_secs(8);

/// Deadline for writing to the client or the server.
const WRITE_DEADLINE: Duration = Duration::from_secs(30);

/// Limits of proxied connections.
const LIMITS: Limits = Limits {
    connections: 1_024,
    frame_bytes: BUFFER_BYTES,
    idle: Duration::from_secs(30 * 60),
};

/// A fault of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyFault {
    /// The request is delayed by this long.
    Delay(Duration),
    /// The connection is closed before the request is forwarded.
    CutBefore,
    /// The connection is closed instead of forwarding the response.
    CutAfter,
}

/// Decides on faults. Called concurrently by many connections; must not block.
pub trait ProxyFaults: fmt::Debug + Send + Sync {
    /// Returns the fault of the next request, if any.
    fn next(&self) -> Option<ProxyFault>;
}

/// A running proxy. Dropping it closes its connections.
#[derive(Debug)]
pub struct Proxy {
    server: Server,
}

impl Proxy {
    /// Listens on a free port of the loopback interface.
    pub async fn start(faults: Arc<dyn ProxyFaults>) -> Result<Self, Error> {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = bind(address).await?;
        let relay = move |client, stopping| {
            let faults = Arc::clone(&faults);
            async move {
                if let Err(error) = serve(client, &*faults, &stopping).await {
                    debug!(%error, "a proxied connection ended");
                }
            }
        };
        let server = Server::start(listener, LIMITS, relay);
        server
            .map(|server| Self { server })
            .map_err(|source| Error::Bind { address, source })
    }

    /// Returns the address of the proxy.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Closes all connections; returns false if some did not close in time.
    pub async fn stop(self) -> bool {
        self.server.stop().await
    }
}

/// State of the request in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// There is no request in progress.
    Idle,
    /// The response will be forwarded.
    Sent,
    /// The connection will be closed instead of forwarding the response.
    CutAfter,
}

/// Connects a client to the destination that it names.
async fn serve(
    mut client: TcpStream,
    faults: &dyn ProxyFaults,
    stopping: &CancellationToken,
) -> io::Result<()> {
    let destination = within(HANDSHAKE_DEADLINE, destination(&mut client)).await?;
    let connecting = TcpStream::connect(&destination);
    let server = match within(CONNECT_DEADLINE, connecting).await {
        Ok(server) => server,
        Err(error) => {
            let sent = socks::reply(&mut client, Reply::Unreachable);
            return within(WRITE_DEADLINE, sent).await.and(Err(error));
        }
    };
    server.set_nodelay(true)?;
    within(WRITE_DEADLINE, socks::reply(&mut client, Reply::Connected)).await?;
    relay(client, server, faults, stopping).await
}

/// Forwards bytes until one side closes, the plan cuts the connection, or the proxy stops.
async fn relay(
    mut client: TcpStream,
    mut server: TcpStream,
    faults: &dyn ProxyFaults,
    stopping: &CancellationToken,
) -> io::Result<()> {
    let mut up = vec![0; BUFFER_BYTES];
    let mut down = vec![0; BUFFER_BYTES];
    let mut stage = Stage::Idle;
    loop {
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            () = tokio::time::sleep(LIMITS.idle) => return Ok(()),
            read = client.read(&mut up) => {
                let length = read?;
                if length == 0 {
                    return Ok(());
                }
                if stage == Stage::Idle {
                    stage = Stage::Sent;
                    match faults.next() {
                        None => {}
                        Some(ProxyFault::CutBefore) => return Ok(()),
                        Some(ProxyFault::CutAfter) => stage = Stage::CutAfter,
                        Some(ProxyFault::Delay(delay)) => tokio::select! {
                            () = stopping.cancelled() => return Ok(()),
                            () = tokio::time::sleep(delay) => {}
                        },
                    }
                }
                within(WRITE_DEADLINE, server.write_all(&up[..length])).await?;
            }
            read = server.read(&mut down) => {
                let length = read?;
                if length == 0 || stage == Stage::CutAfter {
                    return Ok(());
                }
                stage = Stage::Idle;
                within(WRITE_DEADLINE, client.write_all(&down[..length])).await?;
            }
        }
    }
}

async fn within<T>(deadline: Duration, call: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(deadline, call)
        .await
        .unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::measure::RunClock;

    /// Starts a server that echoes each byte and counts them.
    async fn echo() -> (Server, Arc<AtomicUsize>) {
        let heard = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&heard);
        let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let server = Server::start(listener, LIMITS, move |mut stream, stopping| {
            let counted = Arc::clone(&counted);
            async move {
                let mut byte = [0; 1];
                loop {
                    tokio::select! {
                        () = stopping.cancelled() => return,
                        read = stream.read_exact(&mut byte) => if read.is_err() { return },
                    }
                    counted.fetch_add(1, Ordering::SeqCst);
                    if stream.write_all(&byte).await.is_err() {
                        return;
                    }
                }
            }
        });
        (server.unwrap(), heard)
    }

    #[derive(Debug, Default)]
    struct Script(Mutex<VecDeque<Option<ProxyFault>>>);

    impl ProxyFaults for Script {
        fn next(&self) -> Option<ProxyFault> {
            self.0.lock().unwrap().pop_front().flatten()
        }
    }

    /// Returns a client that requested a connection to an IPv4 address, and the proxy's reply.
    async fn connected(proxy: &Proxy, target: SocketAddr) -> (TcpStream, u8) {
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        let SocketAddr::V4(target) = target else {
            panic!("the tests speak IPv4");
        };
        let mut request = vec![5, 1, 0, 5, 1, 0, 1];
        request.extend(target.ip().octets());
        request.extend(target.port().to_be_bytes());
        client.write_all(&request).await.unwrap();
        let mut said = [0; 2 + 10];
        client.read_exact(&mut said).await.unwrap();
        (client, said[3])
    }

    /// Sends one byte after the other through a proxy; returns the number of responses until the
    /// connection closes, and the number of bytes that the server received.
    async fn converse(script: &[Option<ProxyFault>]) -> (usize, usize) {
        let (server, heard) = echo().await;
        let script = Script(Mutex::new(script.iter().copied().collect()));
        let proxy = Proxy::start(Arc::new(script)).await.unwrap();
        let (mut client, reply) = connected(&proxy, server.address()).await;
        assert_eq!(reply, Reply::Connected as u8);
        let mut answered = 0;
        let talking = async {
            for byte in 0..5u8 {
                let mut answer = [0; 1];
                client.write_all(&[byte]).await.ok()?;
                client.read_exact(&mut answer).await.ok()?;
                assert_eq!(answer[0], byte);
                answered += 1;
            }
            Some(())
        };
        let deadline = Duration::from_secs(10);
        let _cut = tokio::time::timeout(deadline, talking).await.unwrap();
        drop(client);
        assert!(proxy.stop().await);
        assert!(server.stop().await);
        (answered, heard.load(Ordering::SeqCst))
    }

    #[tokio::test]
    async fn everything_is_forwarded_without_a_fault() {
        assert_eq!(converse(&[]).await, (5, 5));
    }

    #[tokio::test]
    async fn cut_before_hides_the_request_from_the_server() {
        assert_eq!(
            converse(&[None, None, Some(ProxyFault::CutBefore)]).await,
            (2, 2)
        );
    }

    #[tokio::test]
    async fn cut_after_hides_the_response_from_the_client() {
        assert_eq!(
            converse(&[None, None, Some(ProxyFault::CutAfter)]).await,
            (2, 3)
        );
    }

    #[tokio::test]
    async fn delay_only_delays() {
        let clock = RunClock::start();
        let delay = Duration::from_millis(100);
        assert_eq!(converse(&[Some(ProxyFault::Delay(delay))]).await, (5, 5));
        assert!(Duration::from_nanos(clock.now()) >= delay);
    }

    #[tokio::test]
    async fn unreachable_server_is_reported_and_closes_the_connection() {
        let gone = bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let target = gone.local_addr().unwrap();
        drop(gone);
        let proxy = Proxy::start(Arc::new(Script::default())).await.unwrap();
        let (mut client, reply) = connected(&proxy, target).await;
        assert_eq!(reply, Reply::Unreachable as u8);
        let mut byte = [0; 1];
        let read = tokio::time::timeout(Duration::from_secs(10), client.read(&mut byte));
        assert!(matches!(read.await.unwrap(), Ok(0) | Err(_)));
    }
}
