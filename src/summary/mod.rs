//! Reports built from the outcome of a run.

pub mod machine;
pub mod observer;
pub mod processes;
pub mod simulate;
