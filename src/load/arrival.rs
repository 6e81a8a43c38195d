//! How the readings of a vehicle spread over time.

use crate::string_enum::string_enum;

string_enum! {
    /// Shape of the arrivals; the mean rate is the same for all.
    #[derive(Default, Hash)]
    Arrival {
        /// Equal distances; the vehicles' phases are spread evenly over the period.
        #[default]
        Uniform = "uniform",
        /// Independent, exponentially distributed distances.
        Poisson = "poisson",
        /// Ten readings at one instant, then a pause of ten periods: a vehicle that was out of
        /// reach sends what it gathered. Phases as with `Uniform`.
        Burst = "burst",
        /// The rate grows from zero to its full value over the run (over a minute if the run is
        /// not limited by time). Phases as with `Uniform`.
        Ramp = "ramp",
    }
}

/// Readings of a burst.
pub(super) const BURST_READINGS: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displayed_shapes_parse_back() {
        for arrival in Arrival::ALL {
            assert_eq!(arrival.to_string().parse(), Ok(arrival));
        }
        assert!("even".parse::<Arrival>().is_err());
    }
}
