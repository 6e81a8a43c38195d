//! The phases of a run.

pub mod experiment;
pub mod prepare;
pub mod progress;
pub mod running;
