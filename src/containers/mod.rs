//! Container engines, and the containers of runs.

pub mod container;
pub mod engine;
pub mod owner;
