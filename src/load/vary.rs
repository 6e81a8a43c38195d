//! What makes a load larger.

use crate::string_enum::string_enum;

string_enum! {
    /// What the load of a trial is a number of.
    Vary {
        /// Vehicles, each with the same rate.
        Vehicles = "vehicles",
        /// Readings per second of the whole fleet, whose size stays.
        Rate = "rate",
    }
}
