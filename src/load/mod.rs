//! Rate, arrival shape, bound and pacer: when the n-th reading of a vehicle is intended.
//!
//! Open loop: an instant depends on the settings and the seed alone, never on what happened to
//! earlier readings. Pure; instants are nanoseconds after the run's epoch.

mod arrival;
mod bound;
mod duration;
mod pacer;
mod permutation;
mod random;
mod rate;
mod vary;
mod wheel;

pub use arrival::Arrival;
pub use bound::Bound;
pub use duration::{LONGEST_DURATION, saturating_nanos};
pub use pacer::{Pacer, PacerSettings, RateScope};
pub use permutation::Permutation;
pub use random::{random_bits, unit_interval};
pub use rate::{Frequency, Rate, RateError};
pub use vary::Vary;
pub use wheel::{Timer, Wheel};
