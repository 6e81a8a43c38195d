//! What the embedded servers share: binding, the accept loop, connection limits, shutdown, secrets.

pub mod nodelay;
pub mod secret;
pub mod server;

pub use secret::{Secret, SecretUri};
pub use server::{Error, Limits, Server, bind};
