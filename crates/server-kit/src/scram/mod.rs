//! Both sides of SCRAM: the client proves that it knows the password without sending it.
//!
//! ```text
//!  client  n,,n=user,r=<nonce>                                    ClientExchange::begin
//!  server     r=<nonce><more>,s=<salt>,i=<iterations>             Exchange::begin
//!  client  c=biws,r=<nonce><more>,p=<proof>                       ClientExchange::prove
//!  server     v=<signature>                                       Exchange::finish
//!  client                                                         ServerProof::verify
//! ```
//!
//! A [`Scheme`] is a hash with a number of iterations and the length of the salt, a
//! [`CredentialStore`] what the server keeps of its users' passwords under one scheme. Channel
//! binding is not offered, and a user cannot act for another one. Passwords are used as they are,
//! without `SASLprep`.
//!
//! A name that no user has gets a challenge like any other, with a salt that stays the same, and
//! the proof is rejected as a wrong password is: clients cannot find out which users exist.
//!
//! # References
//!
//! RFC 5802 (SCRAM), RFC 7677 (SCRAM-SHA-256)

mod client;
mod compare;
mod credentials;
mod exchange;
mod hash;
mod scheme;

pub use client::{ClientError, ClientExchange, ServerProof};
pub use credentials::CredentialStore;
pub use exchange::{Authenticated, Error, Exchange};
pub use hash::Hash;
pub use scheme::Scheme;
