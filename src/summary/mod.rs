//! Reports built from the outcome of a run.

pub mod display;
pub mod machine;
pub mod processes;
pub mod simulate;
