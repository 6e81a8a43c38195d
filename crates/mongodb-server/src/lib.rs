//! A MongoDB server in this process, for tests and tools: real wire protocol, real files, no
//! installation.
//!
//! [`MongoServer`] serves MongoDB's drivers and shells as a standalone server of version 7.0 does, or
//! as the only member of a replica set ([`Settings::with_replica_set`]), on a free port of the
//! loopback interface by default. Documents are kept in an append-only log on
//! disk: in a temporary directory, or in a named one where they survive. Tests can
//! [restart](MongoServer::restart) and [crash](MongoServer::crash) the server, and inject
//! [faults](Fault) into single commands. An [observer](WriteObserver) learns when documents are on
//! disk.
//!
//! ```text
//!  socket ─▶ connection ─▶ frame ─▶ command ─▶ aggregation ─▶ query  filters, expressions, updates
//!            TLS, limits   OP_MSG   one file     stages         │
//!            fault hook    BSON     per family      └───────────┴─▶ engine ─▶ log files
//!                                                                indexes, plans, recovery
//!                 change_stream ◀────────────────────────────────────── oplog
//! ```
//!
//! # Example
//!
//! Any MongoDB driver connects to [`MongoServer::uri`]. This example speaks the protocol itself, by
//! the crate's own [`bson`]:
//!
//! ```
//! use convoy_mongodb_server::bson::{Builder, Doc};
//! use convoy_mongodb_server::{MongoServer, Settings};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use tokio::net::TcpStream;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = MongoServer::start(Settings::default()).await?;
//! println!("connect to {}", server.uri());
//!
//! let ping = Builder::new().int32("ping", 1).string("$db", "admin").finish();
//! let mut client = TcpStream::connect(server.address()).await?;
//! // OP_MSG: length, request id, response to, opcode; flags, one section with the command.
//! for number in [16 + 5 + i32::try_from(ping.len())?, 1, 0, 2013, 0] {
//!     client.write_i32_le(number).await?;
//! }
//! client.write_u8(0).await?;
//! client.write_all(&ping).await?;
//!
//! let length = usize::try_from(client.read_i32_le().await?)?;
//! let mut reply = vec![0; length - 4];
//! client.read_exact(&mut reply).await?;
//! let reply = Doc::new(&reply[17..]);
//! assert_eq!(reply.get("ok").and_then(|ok| ok.as_f64()), Some(1.0));
//!
//! server.stop().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Durability
//!
//! An acknowledged write survives the end of the process. It survives the end of the machine if the
//! client asked for `j: true` or `w: "majority"`, else after at most 100 ms.
//!
//! # Limits
//!
//! Documents have at most 16 MiB and 100 levels, messages 48 MB. There are no transactions, and no
//! text, geospatial, hashed or
//! wildcard indexes. A command, stage, operator or option that MongoDB has and this server does not is
//! rejected by name; an unknown one is rejected with MongoDB's own error. Nothing is ignored
//! silently.
//!
//! # Features
//!
//! - `tls`: TLS beside plain connections.
//! - `fuzzing`: entry points for fuzzers.

mod aggregation;
mod bounds;
pub mod bson;
mod change_stream;
mod command;
mod connection;
mod data;
mod engine;
mod error;
mod faults;
mod frame;
#[cfg(feature = "fuzzing")]
pub mod fuzz;
mod left;
mod observer;
mod queries;
mod query;
mod server;
mod settings;
mod snapshot;
mod upkeep;

pub use convoy_server_kit::disk::Loss;
pub use convoy_server_kit::{FaultHook, Limits, Secret, User};
pub use data::DataError;
pub use faults::{ErrorReply, Fault, FaultPlan, Interruption, Moment};
pub use observer::{Ticket, WriteObserver};
pub use server::{Error, MongoServer, StorageError, repair};
pub use settings::Settings;
pub use snapshot::{CollectionSnapshot, Snapshot};

#[cfg(test)]
mod tests;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
