//! The phases of a run: prepare ─▶ warm up ─▶ measure ─▶ drain ─▶ audit.

mod parts;
mod prepare;
mod producer_process;
mod progress;
mod simulation;
mod tasks;

pub use parts::{Endpoints, ProducerSettings, Roles, SimulationSettings};
pub use prepare::{Producers, connector, open_store, partition_reader, prepare_producers};
pub use producer_process::{Produced, produce};
pub use progress::{Destination, INTERVAL, Observer, Phase, Timeline, Totals, gather};
pub use simulation::{Outcome, end_of_audit, run, telling};
pub use tasks::{Finished, Tasks};
