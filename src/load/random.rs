//! Counter-based random numbers: the n-th number of a vehicle without the ones before it.
//!
//! Only additions, multiplications and shifts, so that a seed gives the same numbers on every
//! machine; the logarithm of the standard library does not promise that.

/// 1, 1/3, 1/5 and so on: as many terms as change the last bit of a logarithm.
const ODD_RECIPROCALS: [f64; 11] = [
    1.0,
    1.0 / 3.0,
    1.0 / 5.0,
    1.0 / 7.0,
    1.0 / 9.0,
    1.0 / 11.0,
    1.0 / 13.0,
    1.0 / 15.0,
    1.0 / 17.0,
    1.0 / 19.0,
    1.0 / 21.0,
];

/// Distance between neighbouring results of [`unit_interval`], which have 53 bits.
const UNIT_STEP: f64 = 1.0 / (1_u64 << 53) as f64;

/// Returns the 64 random bits at a row and a column.
pub fn random_bits(seed: u64, row: u64, column: u64) -> u64 {
    mix(mix(mix(seed).wrapping_add(row)).wrapping_add(column))
}

/// Maps 64 random bits to a number in [0, 1).
pub fn unit_interval(bits: u64) -> f64 {
    (bits >> 11) as f64 * UNIT_STEP
}

/// Maps 64 random bits to an exponentially distributed number of mean 1.
pub(super) fn exponential(bits: u64) -> f64 {
    // Zero has no logarithm: (0, 1] instead of [0, 1).
    -ln(unit_interval(bits) + UNIT_STEP)
}

/// The finalizer of `SplitMix64`: changes about half of all bits for each bit that changes.
fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Natural logarithm of a positive normal number, by the series of the inverse hyperbolic tangent.
fn ln(number: f64) -> f64 {
    const MANTISSA: u64 = (1 << 52) - 1;
    const ONE: u64 = 1.0_f64.to_bits();
    let exponent = (number.to_bits() >> 52).cast_signed() - 1_023;
    let mantissa = f64::from_bits(number.to_bits() & MANTISSA | ONE);
    // Between 1/√2 and √2 the series needs the fewest terms.
    let (mantissa, exponent) = if mantissa > std::f64::consts::SQRT_2 {
        (mantissa / 2.0, exponent + 1)
    } else {
        (mantissa, exponent)
    };
    let ratio = (mantissa - 1.0) / (mantissa + 1.0);
    let square = ratio * ratio;
    let series = ODD_RECIPROCALS.iter().rev();
    let sum = series.fold(0.0, |sum, term| sum * square + term);
    exponent as f64 * std::f64::consts::LN_2 + 2.0 * ratio * sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bits_are_the_same_on_every_machine() {
        assert_eq!(random_bits(42, 7, 3), 8_076_984_150_304_651_870);
        assert_eq!(
            exponential(random_bits(42, 7, 3)).to_bits(),
            4_605_613_989_139_239_986
        );
    }

    #[test]
    fn exponential_numbers_have_mean_and_variance_one() {
        let count = 200_000_u64;
        let draw = |n: u64| exponential(random_bits(1, n % 1_000, n / 1_000));
        let mean = (0..count).map(draw).sum::<f64>() / count as f64;
        let square = (0..count).map(|n| draw(n) * draw(n)).sum::<f64>() / count as f64;
        assert!((mean - 1.0).abs() < 0.01, "{mean}");
        assert!((square - mean * mean - 1.0).abs() < 0.03, "{square}");
    }

    proptest! {
        #[test]
        fn logarithm_agrees_with_the_standard_library(bits: u64) {
            let uniform = ((bits >> 11) + 1) as f64 / (1_u64 << 53) as f64;
            let expected = -uniform.ln();
            prop_assert!((exponential(bits) - expected).abs() <= 1e-14 * expected.max(1.0));
        }
    }
}
