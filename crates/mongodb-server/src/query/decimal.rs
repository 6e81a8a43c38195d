//! Arithmetic of `Decimal128`: IEEE 754-2008, rounded half to even at 34 digits.
//!
//! The library computes in densely packed decimals and BSON has binary integers, so each operand is
//! converted by its coefficient and exponent.
//!
//! # References
//!
//! <https://speleotrove.com/decimal/decnumber.html>

use dec::{Context, Decimal, Rounding};

use crate::bson::Decimal128;
use crate::bson::decimal::Parts;

/// A number of the library with room for 36 digits; the context limits it to 34.
type Wide = Decimal<12>;

/// A number with room for the digits that functions are computed with before they are rounded.
type Exact = Decimal<18>;

/// Digits of a coefficient.
const DIGITS: i32 = 34;

/// Largest coefficient.
const LARGEST_COEFFICIENT: u128 = 10_u128.pow(34) - 1;

/// Largest exponent of a coefficient.
const LARGEST_EXPONENT: i32 = 6_111;

/// Least exponent of a coefficient.
const LEAST_EXPONENT: i32 = -6_176;

/// How a number is rounded to a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// The nearest; of two, the even one.
    Nearest,
    /// Towards zero.
    Zero,
    /// Upwards.
    Above,
    /// Downwards.
    Below,
}

/// How many digits of a double a decimal gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 15, those that every double keeps: for arithmetic.
    Safe,
    /// 34.
    Full,
}

/// Returns the context of the format: precision, least and largest exponent.
fn context() -> Context<Wide> {
    let mut context = Context::<Wide>::default();
    let limits = [
        context.set_precision(34).is_ok(),
        context.set_max_exponent(6_144).is_ok(),
        context.set_min_exponent(-6_143).is_ok(),
    ];
    debug_assert!(
        limits.iter().all(|ok| *ok),
        "limits of the format are valid"
    );
    context.set_clamp(true);
    context.set_rounding(Rounding::HalfEven);
    context
}

/// Converts a number to the library's form.
fn wide(number: Decimal128) -> Wide {
    match number.parts() {
        Parts::NaN { negative } => signed(Wide::nan(), negative),
        Parts::Infinity { negative } => signed(Wide::infinity(), negative),
        Parts::Finite {
            negative,
            coefficient,
            exponent,
        } => {
            let mut wide = Context::<Wide>::default().from_u128(coefficient);
            wide.set_exponent(exponent);
            signed(wide, negative)
        }
    }
}

fn signed(number: Wide, negative: bool) -> Wide {
    if negative { -number } else { number }
}

/// Converts a number from the library's form.
fn narrow(mut number: Wide) -> Decimal128 {
    let negative = number.is_negative();
    if number.is_nan() {
        return Decimal128::nan(negative);
    }
    if number.is_infinite() {
        return Decimal128::infinity(negative);
    }
    let exponent = number.exponent();
    // The sign of a zero is lost in a coefficient.
    let coefficient = number.coefficient::<i128>().map_or(0, i128::unsigned_abs);
    Decimal128::new(negative, coefficient, exponent)
}

fn combine(
    left: Decimal128,
    right: Decimal128,
    operation: impl Fn(&mut Context<Wide>, &mut Wide, &Wide),
) -> Decimal128 {
    let mut result = wide(left);
    operation(&mut context(), &mut result, &wide(right));
    narrow(result)
}

fn change(number: Decimal128, operation: impl Fn(&mut Context<Wide>, &mut Wide)) -> Decimal128 {
    let mut result = wide(number);
    operation(&mut context(), &mut result);
    narrow(result)
}

pub fn add(left: Decimal128, right: Decimal128) -> Decimal128 {
    combine(left, right, Context::<Wide>::add)
}

pub fn subtract(left: Decimal128, right: Decimal128) -> Decimal128 {
    combine(left, right, Context::<Wide>::sub)
}

pub fn multiply(left: Decimal128, right: Decimal128) -> Decimal128 {
    combine(left, right, Context::<Wide>::mul)
}

pub fn divide(left: Decimal128, right: Decimal128) -> Decimal128 {
    combine(left, right, Context::<Wide>::div)
}

/// Returns the remainder of the division towards zero, exact for any two numbers.
pub fn remainder(left: Decimal128, right: Decimal128) -> Decimal128 {
    let (
        Parts::Finite {
            negative,
            coefficient: dividend,
            exponent,
        },
        Parts::Finite {
            coefficient: divisor,
            exponent: other,
            ..
        },
    ) = (left.parts(), right.parts())
    else {
        let finite = matches!(left.parts(), Parts::Finite { .. });
        let infinite = matches!(right.parts(), Parts::Infinity { .. });
        return if finite && infinite {
            left
        } else {
            Decimal128::NAN
        };
    };
    if divisor == 0 {
        return Decimal128::NAN;
    }
    if exponent >= other {
        // Long division, digit by digit: the quotient may have thousands of them.
        let mut rest = dividend % divisor;
        for _ in other..exponent {
            rest = rest * 10 % divisor;
        }
        return Decimal128::new(negative, rest, other);
    }
    let scale = other.abs_diff(exponent);
    let divisor = 10_u128
        .checked_pow(scale)
        .and_then(|scale| divisor.checked_mul(scale));
    match divisor {
        Some(divisor) => Decimal128::new(negative, dividend % divisor, exponent),
        None => left,
    }
}

pub fn abs(number: Decimal128) -> Decimal128 {
    match number.parts() {
        Parts::NaN { .. } => Decimal128::NAN,
        Parts::Infinity { .. } => Decimal128::infinity(false),
        Parts::Finite {
            coefficient,
            exponent,
            ..
        } => Decimal128::new(false, coefficient, exponent),
    }
}

/// Rounds to a number of places after the point, or before it if negative. A number without digits
/// beyond that place gets zeros up to it, as far as 34 digits allow.
pub fn round(number: Decimal128, places: i32, to: To) -> Decimal128 {
    let Parts::Finite { exponent, .. } = number.parts() else {
        return number;
    };
    let place = -places;
    let mut context = context();
    context.set_rounding(rounding(to));
    let mut target = Wide::from(1_u32);
    target.set_exponent(place);
    let mut rounded = wide(number);
    if exponent >= place && exponent - place >= DIGITS {
        return number;
    }
    context.quantize(&mut rounded, &target);
    // The zeros up to the place do not fit.
    if rounded.is_nan() {
        number
    } else {
        narrow(rounded)
    }
}

/// Rounds to an integer with its digits up to the point; NaN if it has more than 34 or is infinite.
pub fn quantize(number: Decimal128, to: To) -> Decimal128 {
    let mut context = context();
    context.set_rounding(rounding(to));
    let mut rounded = wide(number);
    context.quantize(&mut rounded, &Wide::from(0_u32));
    narrow(rounded)
}

fn rounding(to: To) -> Rounding {
    match to {
        To::Nearest => Rounding::HalfEven,
        To::Zero => Rounding::Down,
        To::Above => Rounding::Ceiling,
        To::Below => Rounding::Floor,
    }
}

/// Rounds to an integer; one that is an integer already stays as it is written.
pub fn whole(number: Decimal128, to: To) -> Decimal128 {
    match number.parts() {
        Parts::Finite { exponent, .. } if exponent < 0 => round(number, 0, to),
        _ => number,
    }
}

/// Returns the integer part, if it fits.
pub fn whole_i64(number: Decimal128) -> Option<i64> {
    whole(number, To::Zero).to_i64()
}

/// Returns the nearest integer, the even one of two, if it fits.
pub fn nearest_i64(number: Decimal128) -> Option<i64> {
    whole(number, To::Nearest).to_i64()
}

pub fn square_root(number: Decimal128) -> Decimal128 {
    change(number, Context::<Wide>::sqrt)
}

pub fn exponential(number: Decimal128) -> Decimal128 {
    plain(change(number, Context::<Wide>::exp))
}

/// Returns the natural logarithm, rounded to the 113 bits of a quadruple-precision number and then to
/// 34 digits: MongoDB's library computes in that format.
pub fn natural_logarithm(number: Decimal128) -> Decimal128 {
    let mut exact = Context::<Exact>::default();
    let math = [
        exact.set_max_exponent(999_999).is_ok(),
        exact.set_min_exponent(-999_999).is_ok(),
    ];
    debug_assert!(math.iter().all(|ok| *ok), "limits of functions are valid");
    let Ok(mut result) = exact.parse(number.to_string()) else {
        return Decimal128::NAN;
    };
    exact.ln(&mut result);
    let rounded = in_bits(&mut exact, result);
    let parsed = context().parse(rounded.to_string());
    plain(parsed.map_or(Decimal128::NAN, narrow))
}

/// Rounds a number of moderate size to 113 significant bits.
fn in_bits(context: &mut Context<Exact>, number: Exact) -> Exact {
    if !number.is_finite() || number.is_zero() {
        return number;
    }
    let size: f64 = number.to_string().parse().unwrap_or(1.0);
    let binary_exponent = i32::try_from(size.to_bits() >> 52 & 0x7FF).unwrap_or_default() - 1_023;
    let shift = 112 - binary_exponent;
    let mut scale = Exact::from(2_u32);
    context.pow(&mut scale, &Exact::from(shift));
    let mut rounded = number;
    context.mul(&mut rounded, &scale);
    context.round(&mut rounded);
    context.div(&mut rounded, &scale);
    rounded
}

pub fn decimal_logarithm(number: Decimal128) -> Decimal128 {
    plain(change(number, Context::<Wide>::log10))
}

/// Writes an integer without zeros after the point, and zero with the least exponent, if either is
/// what rounding left.
fn plain(number: Decimal128) -> Decimal128 {
    let Parts::Finite {
        negative,
        coefficient,
        exponent,
    } = number.parts()
    else {
        return number;
    };
    if coefficient == 0 && exponent < 0 {
        return Decimal128::new(false, 0, LEAST_EXPONENT);
    }
    let scale = 10_u128.checked_pow(exponent.min(0).unsigned_abs());
    match scale {
        Some(scale) if exponent < 0 && coefficient.is_multiple_of(scale) => {
            Decimal128::new(negative, coefficient / scale, 0)
        }
        _ => number,
    }
}

/// Returns a power, with all 34 digits. The largest number is infinite here, as in the library that
/// MongoDB computes powers with.
pub fn power(base: Decimal128, exponent: Decimal128) -> Decimal128 {
    let power = combine(base, exponent, |context, base, exponent| {
        context.pow(base, exponent);
    });
    match power.parts() {
        Parts::Finite {
            negative,
            coefficient,
            exponent,
        } => {
            // A zero is that of the least exponent, without its sign.
            let Some(digits) = coefficient.checked_ilog10() else {
                return Decimal128::new(false, 0, LEAST_EXPONENT);
            };
            let digits = i32::try_from(digits).unwrap_or(DIGITS) + 1;
            if coefficient == LARGEST_COEFFICIENT && exponent == LARGEST_EXPONENT {
                return Decimal128::infinity(negative);
            }
            let zeros = (DIGITS - digits).clamp(0, (exponent - LEAST_EXPONENT).max(0));
            let scale = 10_u128.pow(zeros.unsigned_abs());
            Decimal128::new(negative, coefficient * scale, exponent - zeros)
        }
        _ => power,
    }
}

/// Reads a number: digits with an optional sign, point and exponent, `NaN` or `Infinity`. Digits after
/// the 34th are cut off, as MongoDB does here and nowhere else.
pub fn parse(text: &str) -> Option<Decimal128> {
    let mut context = context();
    context.set_rounding(Rounding::Down);
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let named = ["nan", "inf", "infinity"]
        .iter()
        .any(|name| unsigned.eq_ignore_ascii_case(name));
    if !named && !unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    let parsed = context.parse(text).ok()?;
    // What does not fit is an error, unlike in arithmetic.
    let status = context.status();
    let vanished = status.underflow() && parsed.is_zero();
    (!status.overflow() && !vanished).then(|| narrow(parsed))
}

/// Converts a double.
pub fn from_f64(number: f64, precision: Precision) -> Decimal128 {
    if number.is_nan() {
        return Decimal128::NAN;
    }
    if number.is_infinite() {
        return Decimal128::infinity(number < 0.0);
    }
    if number == 0.0 {
        return Decimal128::new(number.is_sign_negative(), 0, 0);
    }
    match precision {
        // The digits are rounded from all 34, and trailing zeros are kept.
        Precision::Safe => {
            let full = from_f64(number, Precision::Full);
            let Parts::Finite {
                coefficient,
                exponent,
                ..
            } = full.parts()
            else {
                return full;
            };
            let digits = i32::try_from(coefficient.ilog10()).unwrap_or(DIGITS) + 1;
            let rounded = round(full, 14 - (exponent + digits - 1), To::Nearest);
            // 9.99…95 has become 10.0…0, which has one digit more.
            match rounded.parts() {
                Parts::Finite {
                    coefficient,
                    exponent,
                    ..
                } if coefficient >= 10_u128.pow(15) => round(rounded, -exponent - 1, To::Nearest),
                _ => rounded,
            }
        }
        Precision::Full => {
            // The lowest bit is 2^low, so this many digits are all of the binary fraction.
            let bits = i32::try_from(number.to_bits() >> 52 & 0x7FF).unwrap_or_default();
            let low = bits.max(1) - 1_075;
            let digits = usize::try_from(-low).unwrap_or(0).max(20) + usize::from(low > 0) * 310;
            let mut context = context();
            let parsed = context.parse(format!("{number:.digits$e}"));
            let full = parsed.map_or(Decimal128::NAN, narrow);
            if context.status().inexact() {
                full
            } else {
                shortest(full).unwrap_or(full)
            }
        }
    }
}

/// Converts an integer, rounded to 34 digits.
pub fn from_i128(number: i128) -> Decimal128 {
    narrow(context().from_i128(number))
}

/// Removes trailing zeros after the point; `None` for other numbers than finite ones.
fn shortest(number: Decimal128) -> Option<Decimal128> {
    let Parts::Finite {
        negative,
        mut coefficient,
        mut exponent,
    } = number.parts()
    else {
        return None;
    };
    while exponent < 0 && coefficient.is_multiple_of(10) && coefficient != 0 {
        coefficient /= 10;
        exponent += 1;
    }
    Some(Decimal128::new(negative, coefficient, exponent))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decimal() -> impl Strategy<Value = Decimal128> {
        let digits = 0..10_u128.pow(34);
        (any::<bool>(), digits, -6_176..=6_111_i32).prop_map(|(negative, coefficient, exponent)| {
            Decimal128::new(negative, coefficient, exponent)
        })
    }

    fn number(text: &str) -> Decimal128 {
        parse(text).expect("a number")
    }

    #[test]
    fn results_beyond_the_range_are_infinite_or_zero() {
        let largest = number("9.999999999999999999999999999999999E+6144");
        assert_eq!(add(largest, largest), Decimal128::infinity(false));
        let least = number("1E-6176");
        assert_eq!(multiply(least, least).to_string(), "0E-6176");
    }

    #[test]
    fn only_numbers_are_read() {
        for text in [
            "", "abc", " 1", "1 ", "0x1", "1e", "--1", "sNaN", "NaN5", "1_000",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(number("-inf"), Decimal128::infinity(true));
        assert_eq!(number("1.50e3").to_string(), "1.50E+3");
    }

    #[test]
    fn doubles_convert_to_all_their_digits_or_to_the_safe_ones() {
        for (double, full, safe) in [
            (
                0.1,
                "0.1000000000000000055511151231257827",
                "0.100000000000000",
            ),
            (2.5, "2.5", "2.50000000000000"),
            (1e22, "10000000000000000000000", "1.00000000000000E+22"),
            (-1.0, "-1", "-1.00000000000000"),
            (
                9.999_999_999_999_998e15,
                "9999999999999998",
                "1.00000000000000E+16",
            ),
        ] {
            assert_eq!(from_f64(double, Precision::Full).to_string(), full);
            assert_eq!(from_f64(double, Precision::Safe).to_string(), safe);
        }
    }

    proptest! {
        #[test]
        fn numbers_survive_the_library(one in decimal()) {
            prop_assert_eq!(narrow(wide(one)).to_string(), one.to_string());
            prop_assert_eq!(parse(&one.to_string()).map(|read| read.to_string()), Some(one.to_string()));
        }

        #[test]
        fn small_integers_compute_as_integers(one in -1_000_000_000_i64..1_000_000_000, other in 1_i64..1_000_000) {
            let (left, right) = (Decimal128::from_i64(one), Decimal128::from_i64(other));
            prop_assert_eq!(add(left, right).to_i64(), Some(one + other));
            prop_assert_eq!(subtract(left, right).to_i64(), Some(one - other));
            prop_assert_eq!(multiply(left, right).to_i64(), Some(one * other));
            prop_assert_eq!(remainder(left, right).to_i64(), Some(one % other));
        }

        #[test]
        fn doubles_survive_the_conversion(double in any::<f64>()) {
            if double.is_finite() {
                let converted = from_f64(double, Precision::Full).to_f64();
                prop_assert_eq!(converted.to_bits(), double.to_bits());
            }
        }

        #[test]
        fn remainder_is_less_than_the_divisor(left in decimal(), right in decimal()) {
            if !right.is_zero() {
                let rest = abs(remainder(left, right));
                let ordering = crate::bson::order::compare(
                    &crate::bson::Value::Decimal128(rest),
                    &crate::bson::Value::Decimal128(abs(right)),
                );
                prop_assert!(ordering.is_lt());
            }
        }

        #[test]
        fn rounded_number_is_within_one_place(one in decimal(), places in -20_i32..=100) {
            let rounded = round(one, places, To::Zero);
            let error = abs(subtract(one, rounded));
            let place = Decimal128::new(false, 1, -places);
            let ordering = crate::bson::order::compare(
                &crate::bson::Value::Decimal128(error),
                &crate::bson::Value::Decimal128(place),
            );
            prop_assert!(ordering.is_lt());
        }
    }
}
