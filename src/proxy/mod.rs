//! A SOCKS5 proxy that makes connections fail on purpose, for servers that cannot be made to
//! themselves.
//!
//! It passes bytes on in both directions and knows nothing of what they mean. What a client sends
//! before the server has answered counts as one request; before each, a plan is asked what is to go
//! wrong.
//!
//! ```text
//!  client ──▶ request ──▶ plan ─┬▶ pass, or pass late ──▶ server ──▶ answer ──▶ client
//!                               ├▶ cut before: the server never hears of it
//!                               └▶ cut after: the server has done it, the answer is lost
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
use convoy_server_kit::server::{Error, Limits, Server, bind};

/// Bytes that are passed on at once, in each direction of a connection.
const BUFFER_BYTES: usize = 64 * 1024;

/// How long a client may take to say where it wants to go.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(8);

/// How long the server may take to accept a connection.
const CONNECT_DEADLINE: Duration = Duration::from_secs(8);

/// How long either side may take to accept bytes.
const WRITE_DEADLINE: Duration = Duration::from_secs(30);

/// What proxied clients may ask for at most.
const LIMITS: Limits = Limits {
    connections: 1_024,
    frame_bytes: BUFFER_BYTES,
    idle: Duration::from_secs(30 * 60),
};

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// It arrives so much later.
    Delay(Duration),
    /// The connection is cut, and the server never hears of it.
    CutBefore,
    /// The connection is cut instead of passing the answer on.
    CutAfter,
}

/// Decides what happens. Asked from many connections at once, it must answer quickly.
pub trait Mishaps: fmt::Debug + Send + Sync {
    /// Returns what happens to the next request; `None` if nothing does.
    fn next(&self) -> Option<Mishap>;
}

/// A running proxy. Dropping it ends its connections.
#[derive(Debug)]
pub struct Proxy {
    server: Server,
}

impl Proxy {
    /// Listens at a free port of this machine.
    pub async fn start(mishaps: Arc<dyn Mishaps>) -> Result<Self, Error> {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = bind(address).await?;
        let relay = move |client, stopping| {
            let mishaps = Arc::clone(&mishaps);
            async move {
                if let Err(error) = serve(client, &*mishaps, &stopping).await {
                    debug!(%error, "a proxied connection ended");
                }
            }
        };
        let server = Server::start(listener, LIMITS, relay);
        server
            .map(|server| Self { server })
            .map_err(|source| Error::Bind { address, source })
    }

    /// Returns the address that clients connect to instead.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Ends all connections.
    pub async fn stop(self) -> bool {
        self.server.stop().await
    }
}

/// What is to become of the request that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// There is none.
    Idle,
    /// Its answer is passed on.
    Asked,
    /// Its answer is lost.
    Doomed,
}

/// Connects a client to where it wants to go.
async fn serve(
    mut client: TcpStream,
    mishaps: &dyn Mishaps,
    stopping: &CancellationToken,
) -> io::Result<()> {
    let destination = within(HANDSHAKE_DEADLINE, destination(&mut client)).await?;
    let connecting = TcpStream::connect(&destination);
    let server = match within(CONNECT_DEADLINE, connecting).await {
        Ok(server) => server,
        Err(error) => {
            let told = socks::reply(&mut client, Reply::Unreachable);
            return within(WRITE_DEADLINE, told).await.and(Err(error));
        }
    };
    server.set_nodelay(true)?;
    within(WRITE_DEADLINE, socks::reply(&mut client, Reply::Connected)).await?;
    relay(client, server, mishaps, stopping).await
}

/// Passes bytes on until one side ends, the plan cuts, or the proxy stops.
async fn relay(
    mut client: TcpStream,
    mut server: TcpStream,
    mishaps: &dyn Mishaps,
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
                    stage = Stage::Asked;
                    match mishaps.next() {
                        None => {}
                        Some(Mishap::CutBefore) => return Ok(()),
                        Some(Mishap::CutAfter) => stage = Stage::Doomed,
                        Some(Mishap::Delay(delay)) => tokio::select! {
                            () = stopping.cancelled() => return Ok(()),
                            () = tokio::time::sleep(delay) => {}
                        },
                    }
                }
                within(WRITE_DEADLINE, server.write_all(&up[..length])).await?;
            }
            read = server.read(&mut down) => {
                let length = read?;
                if length == 0 || stage == Stage::Doomed {
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

    /// Answers each byte by the same one, and counts them.
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
    struct Script(Mutex<VecDeque<Option<Mishap>>>);

    impl Mishaps for Script {
        fn next(&self) -> Option<Mishap> {
            self.0.lock().unwrap().pop_front().flatten()
        }
    }

    /// A client that asked for an address of IPv4, and the proxy's answer.
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

    /// Sends one byte after the other through a proxy; returns the answers until the connection
    /// ends, and how many bytes the server heard.
    async fn converse(script: &[Option<Mishap>]) -> (usize, usize) {
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
    async fn without_a_mishap_everything_passes() {
        assert_eq!(converse(&[]).await, (5, 5));
    }

    #[tokio::test]
    async fn a_cut_before_keeps_the_request_from_the_server() {
        assert_eq!(
            converse(&[None, None, Some(Mishap::CutBefore)]).await,
            (2, 2)
        );
    }

    #[tokio::test]
    async fn a_cut_after_keeps_the_answer_from_the_client() {
        assert_eq!(
            converse(&[None, None, Some(Mishap::CutAfter)]).await,
            (2, 3)
        );
    }

    #[tokio::test]
    async fn a_delay_only_delays() {
        let clock = RunClock::start();
        let delay = Duration::from_millis(100);
        assert_eq!(converse(&[Some(Mishap::Delay(delay))]).await, (5, 5));
        assert!(Duration::from_nanos(clock.now()) >= delay);
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_told_and_ends_the_connection() {
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
