//! Vehicles and the readings they emit: which row, in which order, with which key.
//!
//! ```text
//!  Settings ─▶ Readings ── Reading { vehicle, sequence, row, intended } ─▶ key ─▶ partition
//!              (order of (intended, vehicle); n-th reading of the fleet = row n mod rows)
//! ```
//!
//! Pure: the same settings and seed give the same readings on every machine.

mod key;
mod partition;
mod reading;
mod readings;

pub use key::{Key, KeyBytes};
pub use partition::{partition_of_key, round_robin_partition};
pub use reading::Reading;
pub use readings::{Readings, Settings, Shard};
