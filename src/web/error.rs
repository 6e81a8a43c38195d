//! The live page cannot be served.

use std::io;

/// Why the live page cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host is unknown.
    #[error("cannot look up the host `{host}` of `--web`")]
    Resolve {
        /// Host as it was given.
        host: String,
        /// Error of the resolver.
        #[source]
        source: io::Error,
    },
    /// The port is in use, or the address is not one of this machine.
    #[error("cannot serve the live page of `--web`")]
    Listen(#[source] convoy_server_kit::Error),
}

impl Error {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Resolve { .. } => "pass an address of this machine: `--web=127.0.0.1:5665`",
            Self::Listen(_) => "pass a free port: `--web=0` takes any",
        }
        .to_owned()
    }
}
