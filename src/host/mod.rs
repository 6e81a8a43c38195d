//! Servers that a run needs, embedded, in containers or existing, and the process around them.

pub mod backend;
pub mod embedded;
mod fail_points;
pub mod faults;
pub mod interrupt;
mod proxies;
pub mod roles;
pub mod scratch;
pub mod servers;
pub mod sweep;
