//! Authentication by SASL PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512.
//!
//! ```text
//!  Fresh ── handshake(mechanism) ──▶ Chosen ── token ──▶ (Challenged ── token ──▶) Authenticated
//! ```
//!
//! A server without users authenticates every connection at once. A client that logs in all the
//! same is accepted with any name and password by PLAIN; SCRAM is not offered, because with SCRAM
//! the server has to prove that it knows the password.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#sasl_handshake>
//! - RFC 4616 (PLAIN), RFC 5802 and RFC 7677 (SCRAM)

mod credentials;
mod error;
mod session;

pub use credentials::{Credentials, ITERATIONS};
pub use session::Session;
