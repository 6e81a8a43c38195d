//! Container engines and the containers that runs own.

pub mod container;
pub mod engine;
pub mod owner;
