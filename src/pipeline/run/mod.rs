//! The phases of a run.

pub mod simulation;
pub mod prepare;
pub mod producer_process;
pub mod progress;
pub mod tasks;
