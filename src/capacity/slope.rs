//! Straight lines through samples, with bounds on their slopes.

/// Slope of the least-squares line, with one-sided bounds of 95 % each.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slope {
    /// Estimate.
    pub per_s: f64,
    /// Lower bound.
    pub lower: f64,
    /// Upper bound.
    pub upper: f64,
}

/// Fits a line through points of time and value at equal distances; `None` for fewer than four points.
///
/// Neighbouring points that deviate in the same direction, as those of a backlog that rises and falls
/// with each batch, count as fewer points: the bounds are those of a first-order autoregression.
pub fn slope(points: &[(f64, f64)]) -> Option<Slope> {
    let count = points.len() as f64;
    if points.len() < 4 {
        return None;
    }
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / count;
    let spread: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    if spread <= 0.0 {
        return None;
    }
    let shared: f64 = points
        .iter()
        .map(|(x, y)| (x - mean_x) * (y - mean_y))
        .sum();
    let per_s = shared / spread;
    let rests: Vec<f64> = points
        .iter()
        .map(|(x, y)| y - mean_y - per_s * (x - mean_x))
        .collect();
    let squares: f64 = rests.iter().map(|rest| rest.powi(2)).sum();
    let likeness = likeness(&rests, squares);
    let variance = squares / (count - 2.0) / spread * (1.0 + likeness) / (1.0 - likeness);
    let independent = count * (1.0 - likeness) / (1.0 + likeness);
    let error = variance.sqrt() * t_95((independent - 2.0).max(2.0));
    Some(Slope {
        per_s,
        lower: per_s - error,
        upper: per_s + error,
    })
}

/// Returns the correlation of neighbours, from 0.
fn likeness(rests: &[f64], squares: f64) -> f64 {
    let neighbours: f64 = rests.windows(2).map(|pair| pair[0] * pair[1]).sum();
    let likeness = neighbours / squares;
    if likeness.is_finite() {
        likeness.clamp(0.0, 0.95)
    } else {
        0.0
    }
}

/// Returns the 95 % quantile of Student's t by the Cornish–Fisher expansion, which is within 1 % of
/// it from three degrees of freedom on.
fn t_95(free: f64) -> f64 {
    const Z: f64 = 1.644_853_6;
    if free < 3.0 {
        return 2.920;
    }
    let first = (Z.powi(3) + Z) / 4.0;
    let second = (5.0 * Z.powi(5) + 16.0 * Z.powi(3) + 3.0 * Z) / 96.0;
    let third = (3.0 * Z.powi(7) + 19.0 * Z.powi(5) + 17.0 * Z.powi(3) - 15.0 * Z) / 384.0;
    Z + first / free + second / free.powi(2) + third / free.powi(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (free, expected) in [
            (2.0, 2.920),
            (3.0, 2.353),
            (5.0, 2.015),
            (10.0, 1.812),
            (30.0, 1.697),
        ] {
            assert!((t_95(free) / expected - 1.0).abs() < 0.01, "{free}");
        }
    }

    #[test]
    fn exact_line_has_tight_bounds() {
        let points: Vec<_> = (0..10).map(f64::from).map(|x| (x, 3.0 * x + 1.0)).collect();
        let found = slope(&points).unwrap();
        assert!((found.per_s - 3.0).abs() < 1e-9);
        assert!(found.upper - found.lower < 1e-6);
    }

    #[test]
    fn level_noise_has_bounds_on_both_sides_of_zero() {
        let points: Vec<_> = (0..20)
            .map(|at| (f64::from(at), if at % 2 == 0 { 1.0 } else { -1.0 }))
            .collect();
        let found = slope(&points).unwrap();
        assert!(found.lower < 0.0 && found.upper > 0.0, "{found:?}");
    }

    #[test]
    fn level_that_rises_and_falls_with_batches_does_not_grow_for_certain() {
        // Batches of 1.6 s, sampled each quarter of a second: the phase at the end makes a slope.
        for phase in [0.0, 0.4, 0.8, 1.2] {
            let points: Vec<_> = (0..20)
                .map(|at| f64::from(at) * 0.25)
                .map(|x| (x, 480.0 * ((x + phase) % 1.6)))
                .collect();
            let found = slope(&points).unwrap();
            assert!(found.lower < 0.5, "{phase}: {found:?}");
        }
    }

    #[test]
    fn growth_below_batches_is_certain_in_a_longer_time() {
        let points: Vec<_> = (0..120)
            .map(|at| f64::from(at) * 0.25)
            .map(|x| (x, 480.0 * (x % 1.6) + 100.0 * x))
            .collect();
        let found = slope(&points).unwrap();
        assert!(found.lower > 50.0, "{found:?}");
    }

    #[test]
    fn few_or_simultaneous_points_have_no_slope() {
        assert_eq!(slope(&[(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)]), None);
        assert_eq!(slope(&[(1.0, 1.0); 8]), None);
    }
}
