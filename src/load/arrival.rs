//! How the readings of a vehicle spread over time.

use std::fmt;
use std::str::FromStr;

/// Shape of the arrivals; the mean rate is the same for all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Arrival {
    /// Equal distances; the vehicles' phases are spread evenly over the period.
    #[default]
    Uniform,
    /// Independent, exponentially distributed distances.
    Poisson,
    /// Ten readings at one instant, then as long a pause: a vehicle out of reach that sends what it
    /// gathered. Phases as with `Uniform`.
    Burst,
    /// The rate grows from zero to its full value over the run (over a minute if the run is not
    /// bound by time). Phases as with `Uniform`.
    Ramp,
}

/// Readings of a burst.
pub const BURST: u64 = 10;

/// A text names no arrival shape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("arrival shape `{text}` is none of `uniform`, `poisson`, `burst` and `ramp`")]
pub struct UnknownArrival {
    text: String,
}

impl Arrival {
    /// Every shape, in the order of the help text.
    pub const ALL: [Self; 4] = [Self::Uniform, Self::Poisson, Self::Burst, Self::Ramp];

    /// Returns the name used in settings and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Poisson => "poisson",
            Self::Burst => "burst",
            Self::Ramp => "ramp",
        }
    }
}

impl FromStr for Arrival {
    type Err = UnknownArrival;

    fn from_str(text: &str) -> Result<Self, UnknownArrival> {
        let mut all = Self::ALL.into_iter();
        all.find(|arrival| arrival.name() == text)
            .ok_or_else(|| UnknownArrival {
                text: text.to_owned(),
            })
    }
}

impl fmt::Display for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_written_as_they_are_read() {
        for arrival in Arrival::ALL {
            assert_eq!(arrival.to_string().parse(), Ok(arrival));
        }
        assert!("even".parse::<Arrival>().is_err());
    }
}
