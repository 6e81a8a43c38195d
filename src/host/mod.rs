//! Servers that a run needs, embedded, in containers or existing, and the process around them.

pub mod backend;
pub mod embedded;
pub mod faults;
pub mod interrupt;
pub mod roles;
pub mod scratch;
pub mod servers;
pub mod sweep;
