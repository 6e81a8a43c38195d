//! How many records are in each stage, sampled while the fleet emits.

/// Samples of a number of records.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Samples {
    count: u64,
    sum: f64,
    squares: f64,
    first: f64,
    last: f64,
}

impl Samples {
    /// Adds a sample.
    pub fn add(&mut self, records: f64) {
        if self.count == 0 {
            self.first = records;
        }
        self.last = records;
        self.count += 1;
        self.sum += records;
        self.squares += records * records;
    }

    /// Returns the number of samples.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the mean; `None` without a sample.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// Returns the sum of the first and the last number; 0 without a sample.
    pub fn ends(&self) -> f64 {
        self.first + self.last
    }

    /// Returns the standard deviation of a sample; 0 without two samples.
    pub fn deviation(&self) -> f64 {
        let count = self.count as f64;
        let mean = self.sum / count.max(1.0);
        (self.squares / count.max(1.0) - mean * mean)
            .max(0.0)
            .sqrt()
    }
}

/// Records between the counts of two neighbouring stamps.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct InFlight {
    /// Emitted and not acknowledged.
    pub published: Samples,
    /// Acknowledged and not fetched; below 0 if records are fetched before their acks arrive.
    pub fetched: Samples,
    /// Fetched and not stored.
    pub stored: Samples,
}

impl InFlight {
    /// Adds the counts at an instant.
    pub fn add(&mut self, emitted: u64, acked: u64, fetched: u64, stored: u64) {
        self.published.add(emitted as f64 - acked as f64);
        self.fetched.add(acked as f64 - fetched as f64);
        self.stored.add(fetched as f64 - stored as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_have_mean_and_deviation() {
        let mut in_flight = InFlight::default();
        in_flight.add(10, 6, 6, 5);
        in_flight.add(20, 12, 14, 9);
        assert_eq!(in_flight.published.mean(), Some(6.0));
        assert!((in_flight.published.ends() - 12.0).abs() < 1e-9);
        assert_eq!(in_flight.fetched.mean(), Some(-1.0));
        assert!((in_flight.stored.deviation() - 2.0).abs() < 1e-9);
        assert_eq!(
            (Samples::default().mean(), Samples::default().deviation()),
            (None, 0.0)
        );
    }
}
