//! Rate, arrival shape, bound and pacer: when the n-th reading of a vehicle is intended.
//!
//! Open loop: an instant depends on the settings and the seed alone, never on what happened to
//! earlier readings. Pure; takes and returns nanoseconds after the run's epoch.

pub mod arrival;
pub mod bound;
pub mod pacer;
pub mod permutation;
pub mod random;
pub mod rate;
pub mod wheel;

pub use arrival::Arrival;
pub use bound::Bound;
pub use pacer::Pacer;
pub use permutation::Permutation;
pub use rate::{Frequency, Rate, RateError};
pub use wheel::{Timer, Wheel};
