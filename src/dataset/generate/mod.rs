//! Synthetic rows of the APS data set: its columns and its statistics, none of its rows.
//!
//! A row is drawn from the vehicle's use (how far it was driven) and chance: each column follows
//! the use as closely as it does in the data set, its values follow the distribution of its class,
//! groups of columns are missing together, and the bins of the seven histograms have one sum.
//!
//! The same seed gives the same bytes on every machine: only integers and floating-point operations
//! that are exact to the last bit are used.

mod draw;
mod generator;
mod random;
mod table;
#[cfg(test)]
mod tests;

pub use generator::Generator;
