//! Calls to the operating system.

pub mod nodelay;
