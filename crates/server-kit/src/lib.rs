//! Parts that in-process servers share: the accept loop with its limits, TLS and its certificate
//! authority, secrets, and the clock.

pub mod clock;
#[cfg(feature = "fuzzing")]
pub mod fuzz;
pub mod secret;
pub mod server;
pub mod tls;

pub use clock::RunClock;
pub use secret::{Secret, SecretUri};
pub use server::{Limits, Server, bind};
