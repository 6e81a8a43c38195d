//! A rising curve through noisy margins (pool adjacent violators).
//!
//! # References
//!
//! Ayer, Brunk, Ewing, Reid, Silverman: An Empirical Distribution Function for Sampling with
//! Incomplete Information (1955).

/// A margin that was seen at a load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Number of vehicles.
    pub load: u32,
    /// Margin.
    pub margin: f64,
    /// How much it counts, above 0.
    pub weight: f64,
}

/// The margins of the curve that rises or stays level and is closest to the samples, at each load.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Curve(Vec<(u32, f64)>);

/// Loads that share a margin.
struct Block {
    loads: Vec<u32>,
    margin: f64,
    weight: f64,
}

impl Curve {
    /// Fits the curve. Samples may be in any order.
    pub fn fit(samples: &[Sample]) -> Self {
        let mut samples = samples.to_vec();
        samples.sort_by_key(|sample| sample.load);
        let mut blocks: Vec<Block> = Vec::new();
        for sample in samples {
            let same = blocks
                .last_mut()
                .filter(|block| block.loads.last() == Some(&sample.load));
            if let Some(block) = same {
                block.add(sample.margin, sample.weight);
            } else {
                blocks.push(Block {
                    loads: vec![sample.load],
                    margin: sample.margin,
                    weight: sample.weight,
                });
            }
            while let [.., before, last] = &mut blocks[..]
                && before.margin >= last.margin
            {
                before.add(last.margin, last.weight);
                before.loads.append(&mut last.loads);
                blocks.pop();
            }
        }
        let points = blocks.into_iter().flat_map(|block| {
            let margin = block.margin;
            block.loads.into_iter().map(move |load| (load, margin))
        });
        Self(points.collect())
    }

    /// Returns the highest load whose margin is not above 0.
    pub fn feasible(&self) -> Option<(u32, f64)> {
        self.0.iter().copied().rfind(|(_, margin)| *margin <= 0.0)
    }

    /// Returns the lowest load whose margin is above 0.
    pub fn infeasible(&self) -> Option<(u32, f64)> {
        self.0.iter().copied().find(|(_, margin)| *margin > 0.0)
    }

    /// Returns the load at which the margin reaches 0, on a straight line over the logarithm of the
    /// load between the loads that are on both sides of it.
    pub fn root(&self) -> Option<f64> {
        let ((low, below), (high, above)) = (self.feasible()?, self.infeasible()?);
        let share = -below / (above - below);
        let (low, high) = (f64::from(low).ln(), f64::from(high).ln());
        Some((low + share * (high - low)).exp())
    }
}

impl Block {
    fn add(&mut self, margin: f64, weight: f64) {
        let total = self.weight + weight;
        self.margin = (self.margin * self.weight + margin * weight) / total;
        self.weight = total;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample(load: u32, margin: f64) -> Sample {
        Sample {
            load,
            margin,
            weight: 1.0,
        }
    }

    #[test]
    fn violators_get_their_mean() {
        let curve = Curve::fit(&[sample(30, 1.0), sample(20, -2.0), sample(10, -1.0)]);
        assert_eq!(curve.0, [(10, -1.5), (20, -1.5), (30, 1.0)]);
        assert_eq!(curve.feasible(), Some((20, -1.5)));
        assert_eq!(curve.infeasible(), Some((30, 1.0)));
    }

    #[test]
    fn repeated_trials_of_a_load_count_together() {
        let curve = Curve::fit(&[sample(10, 0.3), sample(10, -0.9), sample(20, 2.0)]);
        assert_eq!(curve.feasible().unwrap().0, 10);
    }

    #[test]
    fn root_is_between_both_sides() {
        let root = Curve::fit(&[sample(100, -1.0), sample(400, 1.0)])
            .root()
            .unwrap();
        assert!((root - 200.0).abs() < 1e-6, "{root}");
        assert_eq!(Curve::fit(&[sample(100, -1.0)]).root(), None);
    }

    proptest! {
        #[test]
        fn fitted_margins_never_fall(margins in prop::collection::vec((1u32..50, -2.0f64..2.0, 0.1f64..5.0), 1..30)) {
            let samples: Vec<Sample> = margins.iter().map(|&(load, margin, weight)| Sample { load, margin, weight }).collect();
            let curve = Curve::fit(&samples);
            prop_assert!(curve.0.is_sorted_by(|one, next| one.0 < next.0 && one.1 <= next.1), "{curve:?}");
            let whole = |it: &mut dyn Iterator<Item = f64>| it.sum::<f64>();
            let low = margins.iter().map(|it| it.1).fold(f64::INFINITY, f64::min);
            let high = margins.iter().map(|it| it.1).fold(f64::NEG_INFINITY, f64::max);
            let count = curve.0.len() as f64;
            let mean = whole(&mut curve.0.iter().map(|it| it.1)) / count;
            prop_assert!(mean >= low - 1e-9 && mean <= high + 1e-9);
        }
    }
}
