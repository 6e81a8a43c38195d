//! 128-bit decimal floating point: its encoding. Arithmetic is in the crate's queries.
//!
//! # References
//!
//! IEEE 754-2008, binary integer decimal encoding;
//! <https://github.com/mongodb/specifications/blob/master/source/bson-decimal128/decimal128.md>

use std::fmt;

/// Bias of the encoded exponent.
const BIAS: i32 = 6_176;

/// The largest coefficient has 34 digits.
const MAX_COEFFICIENT: u128 = 10_u128.pow(34) - 1;

/// Largest power of ten that one division of [`Natural`] removes.
const CHUNK: u32 = 1_000_000_000;

/// A 128-bit decimal number, read, displayed and compared exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal128(u128);

/// A decoded number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parts {
    /// Not a number; its sign survives arithmetic.
    NaN { negative: bool },
    /// An infinity.
    Infinity { negative: bool },
    /// `coefficient × 10^exponent`.
    Finite {
        /// Whether the sign bit is set, also for zero.
        negative: bool,
        /// At most 34 digits.
        coefficient: u128,
        /// From −6176 to 6111.
        exponent: i32,
    },
}

/// A positive number cut to 64 significant bits: `mantissa / 2^63 × 2^exponent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binary {
    pub mantissa: u64,
    /// Of two.
    pub exponent: i32,
    /// Whether nothing was cut off.
    pub exact: bool,
}

impl Decimal128 {
    /// Reads the encoding of BSON.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_le_bytes(bytes))
    }

    /// Returns the encoding of BSON.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }

    /// Not a number.
    pub(crate) const NAN: Self = Self::nan(false);

    /// Returns what is not a number, with a sign.
    pub(crate) const fn nan(negative: bool) -> Self {
        Self((negative as u128) << 127 | 0x1F << 122)
    }

    /// Returns an infinity.
    pub(crate) const fn infinity(negative: bool) -> Self {
        Self((negative as u128) << 127 | 0x1E << 122)
    }

    /// Makes a number of at most 34 digits whose exponent is in range.
    pub(crate) fn new(negative: bool, coefficient: u128, exponent: i32) -> Self {
        debug_assert!(coefficient <= MAX_COEFFICIENT, "at most 34 digits");
        let sign = u128::from(negative) << 127;
        let biased = u128::from((exponent + BIAS).unsigned_abs());
        Self(sign | biased << 113 | coefficient)
    }

    /// Makes an integer.
    pub fn from_i64(number: i64) -> Self {
        Self::new(number < 0, u128::from(number.unsigned_abs()), 0)
    }

    /// Decodes the bits.
    pub(crate) fn parts(self) -> Parts {
        let negative = self.0 >> 127 == 1;
        let combination = (self.0 >> 122) & 0x1F;
        if combination == 0x1F {
            return Parts::NaN { negative };
        }
        if combination == 0x1E {
            return Parts::Infinity { negative };
        }
        // With both bits set the coefficient would exceed 34 digits, which counts as zero.
        let large = combination >> 3 == 0b11;
        let shift = if large { 111 } else { 113 };
        let biased = u32::try_from((self.0 >> shift) & 0x3FFF).unwrap_or_default();
        let coefficient = self.0 & ((1 << 113) - 1);
        let valid = !large && coefficient <= MAX_COEFFICIENT;
        Parts::Finite {
            negative,
            coefficient: if valid { coefficient } else { 0 },
            exponent: biased.cast_signed() - BIAS,
        }
    }

    /// Returns whether this is a zero of any sign and exponent.
    pub fn is_zero(self) -> bool {
        matches!(self.parts(), Parts::Finite { coefficient: 0, .. })
    }

    /// Returns whether this is a number and not an infinity.
    pub(crate) fn is_finite(self) -> bool {
        matches!(self.parts(), Parts::Finite { .. })
    }

    /// Returns whether this is an infinity of either sign.
    pub(crate) fn is_infinite(self) -> bool {
        matches!(self.parts(), Parts::Infinity { .. })
    }

    /// Returns the value if it is an integer that fits.
    pub fn to_i64(self) -> Option<i64> {
        let Parts::Finite {
            negative,
            coefficient,
            exponent,
        } = self.parts()
        else {
            return None;
        };
        if coefficient == 0 {
            return Some(0);
        }
        let scale = 10_u128.checked_pow(exponent.unsigned_abs())?;
        let magnitude = if exponent >= 0 {
            coefficient.checked_mul(scale)?
        } else if coefficient.is_multiple_of(scale) {
            coefficient / scale
        } else {
            return None;
        };
        let magnitude = i128::try_from(magnitude).ok()?;
        i64::try_from(if negative { -magnitude } else { magnitude }).ok()
    }

    /// Returns the nearest double.
    pub fn to_f64(self) -> f64 {
        match self.parts() {
            Parts::NaN { .. } => f64::NAN,
            Parts::Infinity { negative: false } => f64::INFINITY,
            Parts::Infinity { negative: true } => f64::NEG_INFINITY,
            Parts::Finite {
                negative,
                coefficient,
                exponent,
            } => {
                let sign = if negative { "-" } else { "" };
                format!("{sign}{coefficient}e{exponent}")
                    .parse()
                    .unwrap_or(f64::NAN)
            }
        }
    }
}

impl Binary {
    /// Cuts `coefficient × 10^exponent`, which is not zero.
    pub fn of_decimal(coefficient: u128, exponent: i32) -> Self {
        let mut number = Natural::new(coefficient);
        let power = exponent.unsigned_abs();
        if exponent >= 0 {
            number.multiply_by_power_of_ten(power);
            return number.cut(0, true);
        }
        // log2(10) < 10/3, so this leaves at least 64 bits in front of the point.
        let shift = (power * 10 / 3 + 70).next_multiple_of(32);
        number.shift_left(shift);
        let exact = number.divide_by_power_of_ten(power);
        number.cut(-shift.cast_signed(), exact)
    }
}

/// A natural number of any size, 32 bits per limb, the lowest first.
struct Natural(Vec<u32>);

impl Natural {
    fn new(number: u128) -> Self {
        let low = |shift: u32| u32::try_from((number >> shift) & 0xFFFF_FFFF).unwrap_or_default();
        Self([0, 32, 64, 96].map(low).to_vec())
    }

    fn multiply_by_power_of_ten(&mut self, mut power: u32) {
        while power > 0 {
            let step = power.min(9);
            let mut carry = 0;
            for limb in &mut self.0 {
                let product = u64::from(*limb) * u64::from(10_u32.pow(step)) + carry;
                (*limb, carry) = (low_half(product), product >> 32);
            }
            self.0.push(low_half(carry));
            power -= step;
        }
    }

    /// Divides, rounding down; returns whether there was no remainder.
    fn divide_by_power_of_ten(&mut self, mut power: u32) -> bool {
        let mut exact = true;
        while power > 0 {
            let step = power.min(9);
            let divisor = u64::from(if step == 9 { CHUNK } else { 10_u32.pow(step) });
            let mut remainder = 0;
            for limb in self.0.iter_mut().rev() {
                let dividend = remainder << 32 | u64::from(*limb);
                *limb = low_half(dividend / divisor);
                remainder = dividend % divisor;
            }
            exact &= remainder == 0;
            power -= step;
            while self.0.last() == Some(&0) {
                self.0.pop();
            }
        }
        exact
    }

    /// Shifts by a multiple of 32.
    fn shift_left(&mut self, bits: u32) {
        let limbs = usize::try_from(bits / 32).unwrap_or_default();
        self.0.splice(..0, std::iter::repeat_n(0, limbs));
    }

    /// Keeps the highest 64 bits of the number times `2^scale`.
    fn cut(mut self, scale: i32, exact: bool) -> Binary {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
        let high = |back: usize| {
            let limb = self.0.len().checked_sub(back).and_then(|at| self.0.get(at));
            u128::from(limb.copied().unwrap_or_default())
        };
        let window = high(1) << 64 | high(2) << 32 | high(3);
        let bits = 128 - window.leading_zeros();
        let dropped = bits.saturating_sub(64);
        let mantissa = u64::try_from(window >> dropped).unwrap_or(u64::MAX);
        let lower = self.0.len().saturating_sub(3);
        let clean = self.0.iter().take(lower).all(|&limb| limb == 0)
            && window & ((1_u128 << dropped) - 1) == 0;
        let below = i32::try_from(self.0.len()).unwrap_or(i32::MAX / 64) * 32 - 96;
        Binary {
            mantissa,
            exponent: below + bits.cast_signed() - 1 + scale,
            exact: exact && clean,
        }
    }
}

fn low_half(number: u64) -> u32 {
    u32::try_from(number & 0xFFFF_FFFF).unwrap_or_default()
}

impl fmt::Display for Decimal128 {
    /// Writes the number as the specification does: with an exponent where it is large.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (negative, coefficient, exponent) = match self.parts() {
            Parts::NaN { .. } => return out.write_str("NaN"),
            Parts::Infinity { negative: false } => return out.write_str("Infinity"),
            Parts::Infinity { negative: true } => return out.write_str("-Infinity"),
            Parts::Finite {
                negative,
                coefficient,
                exponent,
            } => (negative, coefficient, exponent),
        };
        let digits = coefficient.to_string();
        let sign = if negative { "-" } else { "" };
        let length = i32::try_from(digits.len()).unwrap_or_default();
        let adjusted = exponent + length - 1;
        if exponent > 0 || adjusted < -6 {
            let (first, rest) = digits.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            return write!(out, "{sign}{first}{point}{rest}E{adjusted:+}");
        }
        if exponent == 0 {
            return write!(out, "{sign}{digits}");
        }
        let point = usize::try_from(length + exponent);
        match point {
            Ok(point) if point > 0 => {
                let (whole, fraction) = digits.split_at(point);
                write!(out, "{sign}{whole}.{fraction}")
            }
            _ => {
                let zeros = usize::try_from(-(length + exponent)).unwrap_or_default();
                write!(out, "{sign}0.{}{digits}", "0".repeat(zeros))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decimal(text: &str) -> Decimal128 {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        match text {
            "Infinity" => return Decimal128::infinity(negative),
            // Its first five bits are 11111.
            "NaN" => return Decimal128::from_bytes((0x7c_u128 << 120).to_le_bytes()),
            _ => {}
        }
        let (digits, exponent) = text.split_once('E').unwrap_or((text, "0"));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let coefficient = format!("{whole}{fraction}").parse().expect("digits");
        let exponent: i32 = exponent.parse().expect("an exponent");
        let places = i32::try_from(fraction.len()).expect("few digits");
        Decimal128::new(negative, coefficient, exponent - places)
    }

    #[test]
    fn numbers_display_as_in_the_specification() {
        for text in [
            "0",
            "-0",
            "1",
            "1.50",
            "0.001",
            "1E+3",
            "-1.5E-9",
            "NaN",
            "Infinity",
            "-Infinity",
            "0.000001",
            "1E-7",
            "9.999999999999999999999999999999999E+6144",
            "1E-6176",
        ] {
            assert_eq!(decimal(text).to_string(), text);
        }
    }

    #[test]
    fn only_whole_numbers_convert_to_integers() {
        assert_eq!(decimal("1E+3").to_i64(), Some(1_000));
        assert_eq!(decimal("-120E-1").to_i64(), Some(-12));
        assert_eq!(decimal("1.5").to_i64(), None);
        assert_eq!(decimal("1E+30").to_i64(), None);
        assert_eq!(decimal("0E+6000").to_i64(), Some(0));
        assert_eq!(Decimal128::from_i64(-7).to_string(), "-7");
    }

    proptest! {
        #[test]
        fn cutting_an_integer_keeps_all_of_it(number in 1_u64..) {
            let binary = Binary::of_decimal(u128::from(number), 0);
            prop_assert!(binary.exact);
            prop_assert_eq!(binary.mantissa, number << number.leading_zeros());
            prop_assert_eq!(binary.exponent, 63 - number.leading_zeros().cast_signed());
        }

        #[test]
        fn cutting_agrees_with_the_nearest_double(
            coefficient in 1_u128..MAX_COEFFICIENT, exponent in -300_i32..260
        ) {
            let binary = Binary::of_decimal(coefficient, exponent);
            let expected: f64 = format!("{coefficient}e{exponent}").parse().expect("a double");
            let rebuilt = binary.mantissa as f64 * 2_f64.powi(binary.exponent - 63);
            if expected.is_normal() && rebuilt.is_normal() {
                prop_assert!((rebuilt / expected - 1.0).abs() < 1e-15);
            }
        }
    }
}
