//! Statistics of few runs and of many latencies that assume no shape of their distribution.
//!
//! Pure: numbers in, numbers out.
//!
//! | file | question |
//! |---|---|
//! | `quantile.rs` | between which samples is a percentile? |
//! | `effective.rs` | how many independent samples are these samples worth? |
//! | `rank.rs` | how likely is such an order of the runs, if the sides are equal? |
//! | `shift.rs` | by which factor do two sides differ, and within which bounds? |

mod effective;
mod quantile;
mod rank;
mod shift;

pub use effective::{Batch, effective_count};
pub use quantile::rank_bounds;
pub use rank::{MAX_PAIRS, MAX_RUNS, RankDistribution};
pub use shift::{Estimate, fewest_pairs, fewest_runs, paired_p_above, paired_shift, shift};

/// Returns the median of sorted numbers; `None` if there are none.
pub fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    Some(if sorted.len().is_multiple_of(2) {
        f64::midpoint(sorted[middle - 1], upper)
    } else {
        upper
    })
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use serde_json::Value;

    use super::*;

    /// Returns a table of values that scipy and numpy computed: see `fixtures/statistics.py`.
    pub(super) fn reference(table: &str) -> &'static Value {
        static TABLES: OnceLock<Value> = OnceLock::new();
        let tables = TABLES.get_or_init(|| {
            serde_json::from_str(include_str!("../../fixtures/statistics.json")).unwrap()
        });
        &tables[table]
    }

    #[test]
    fn median_of_an_even_number_is_the_mean_of_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[1.0, 2.0, 4.0, 9.0]), Some(3.0));
    }
}
