//! An in-process Schema Registry that Confluent's clients accept.
//!
//! ```text
//!  http (hyper: limits, credentials) ─▶ api (routes, pure) ─▶ state ◀─ journal (replayed at start)
//!                                          │                    ▲
//!                  compatibility ◀─ judge ─┘                    └─ every change, synced first
//! ```
//!
//! # References
//!
//! Confluent's [Schema Registry API](https://docs.confluent.io/platform/current/schema-registry/develop/api.html).
//! Served: subjects, versions, schemas by id, lookup, soft and permanent deletion, compatibility
//! levels and checks, modes, references, contexts (one). Not served: Protobuf, `IMPORT` mode,
//! exporters, data contracts.

mod api;
mod avro;
mod compatibility;
pub mod credentials;
pub mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod http;
mod journal;
mod judge;
mod parse;
pub mod schema;
mod state;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::api::Service;
pub use crate::credentials::Credentials;
pub use crate::error::Error;
use crate::journal::Journal;
pub use crate::schema::{Reference, Schema, SchemaType};
use convoy_server_kit::server as net;
use convoy_server_kit::{Limits, Server};

/// The name of the journal in a data directory.
const JOURNAL: &str = "registry.journal";

/// How to serve.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where schemas are kept from one start to the next; nowhere if there is none.
    pub data_dir: Option<PathBuf>,
    /// Who may ask; everybody if there is none.
    pub users: Vec<Credentials>,
    /// What a client may ask at most; a frame is the body of a request.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            data_dir: None,
            users: Vec::new(),
            limits: Limits {
                connections: 1_024,
                frame_bytes: 16 << 20,
                idle: Duration::from_secs(60),
            },
        }
    }
}

/// A running registry. Dropping it ends its connections without waiting for them.
#[derive(Debug)]
pub struct Registry {
    server: Server,
}

impl Registry {
    /// Recovers what the data directory holds and serves on the current runtime.
    pub async fn start(settings: Settings) -> Result<Self, Error> {
        let path = settings.data_dir.as_ref().map(|dir| dir.join(JOURNAL));
        let opened = tokio::task::spawn_blocking(move || match path {
            Some(path) => Journal::open(&path),
            None => Ok((Journal::in_memory(), Vec::new())),
        });
        let (journal, entries) = opened.await.expect("opening a journal does not panic")?;
        let service = Arc::new(Service::new(journal, entries));
        let listen = |source| Error::Listen { source };
        let listener = net::bind(settings.listen).await.map_err(listen)?;
        let shell = Arc::new(http::Shell::new(service, settings.users, settings.limits));
        let handle = move |stream, stopping| Arc::clone(&shell).serve(stream, stopping);
        let server = Server::start(listener, settings.limits, handle);
        let server = server.map_err(|source| {
            let address = settings.listen;
            listen(net::Error::Bind { address, source })
        })?;
        Ok(Self { server })
    }

    /// Returns the address that clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Stops accepting and waits for the requests at hand; false if some did not end in time.
    pub async fn stop(self) -> bool {
        self.server.stop().await
    }
}

#[cfg(test)]
mod tests;
