//! Parts that in-process servers share.
//!
//! ```text
//!  bind ─▶ Server ── accept, up to Limits ──▶ the server's own handler
//!                                               │ Connections     who is closed if there are too many
//!                                               │ FrameMemory     what large frames share
//!                                               │ Attempts        logins that failed
//!                                               │ tls::accept     (feature `tls`)
//!                                               │ scram::Exchange (feature `scram`), Users
//!                                               │ FaultHook       what goes wrong, for tests
//!                                               ▼
//!                                             its protocol
//! ```
//!
//! Besides: [`Secret`] and [`SecretUri`], which no output shows; [`RunClock`], the clock of a run;
//! `tls::Authority` (feature `authority`), which signs certificates for loopback; and `fuzz`
//! (feature `fuzzing`), which replays a corpus of inputs through decoders.
//!
//! # Example
//!
//! A server that answers every connection with one line:
//!
//! ```
//! use std::time::Duration;
//!
//! use convoy_server_kit::{Limits, Server, bind};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use tokio::net::TcpStream;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let listener = bind("127.0.0.1:0".parse()?).await?;
//! let limits = Limits {
//!     connections: 100,
//!     frame_bytes: 1 << 20,
//!     idle: Duration::from_secs(60),
//! };
//! let server = Server::start(listener, limits, |mut stream, _stopping| async move {
//!     let _sent = stream.write_all(b"hello\n").await;
//! })?;
//!
//! let mut answer = String::new();
//! let mut client = TcpStream::connect(server.address()).await?;
//! client.read_to_string(&mut answer).await?;
//! assert_eq!(answer, "hello\n");
//!
//! assert!(server.stop().await);
//! # Ok(())
//! # }
//! ```

mod attempts;
mod clock;
mod connections;
#[cfg(feature = "disk")]
pub mod disk;
mod fault_hook;
mod frame_memory;
#[cfg(feature = "fuzzing")]
pub mod fuzz;
#[cfg(feature = "scram")]
pub mod scram;
mod secret;
mod server;
#[cfg(feature = "tls")]
pub mod tls;
mod user;

pub use attempts::{Attempt, Attempts};
pub use clock::{RunClock, nanos, thread_cpu_time, unix_ms};
pub use connections::{Busy, Connections, Guest, Place};
pub use fault_hook::FaultHook;
pub use frame_memory::{Exhausted, FrameMemory, Share};
pub use secret::{REDACTED, Secret, SecretUri, redact_uri};
pub use server::{Error, Limits, Server, bind};
pub use user::{User, Users};
