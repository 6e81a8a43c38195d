//! The servers of a run (embedded, in containers or existing), and the process around them.
//!
//! ```text
//!  launch ─▶ backend (which kinds) ─▶ servers ─▶ broker, store, embedded, external
//!     └────▶ proxies ─▶ fault_switch ─▶ fail_points ◀─ faults ─▶ servers
//! ```

pub mod backend;
mod broker;
pub mod consumer_command;
pub mod consumer_watch;
pub mod data_files;
pub mod embedded;
pub mod external;
mod fail_points;
pub mod fault_switch;
pub mod faults;
mod file_sizes;
pub mod interrupt;
mod last_line;
pub mod launch;
pub mod open_files;
mod proxies;
pub mod published;
pub mod roles;
pub mod scratch;
pub mod servers;
pub mod space;
mod store;
pub mod sweep;
