//! TLS for servers: certificate and key from PEM files, the handshake, and its detection.

#[cfg(feature = "authority")]
mod authority;
mod error;
mod handshake;
mod pem;

#[cfg(feature = "authority")]
pub use authority::Authority;
pub use error::Error;
pub use handshake::{accept, is_client_hello};
pub use pem::load;
pub use rustls::ServerConfig;
