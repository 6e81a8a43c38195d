//! Parses JSON numbers eight digits at a time.
//!
//! # References
//!
//! - Parsing digits within a word: <https://lemire.me/blog/2022/01/21/swar-explained-parsing-eight-digits/>
//! - When a quotient of two doubles is the nearest double: W. D. Clinger, "How to Read Floating Point
//!   Numbers Accurately", 1990

/// Largest number of digits that always fits an `i64`.
const SAFE_DIGITS: usize = 18;

/// Largest number of which every smaller one is a double.
const EXACT: u64 = 1 << 53;

/// Powers of ten that are doubles.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// Whole powers of ten, for the digits after a decimal point.
const WHOLE_POWERS: [u64; SAFE_DIGITS + 1] = {
    let mut powers = [1; SAFE_DIGITS + 1];
    let mut exponent = 1;
    while exponent < powers.len() {
        powers[exponent] = powers[exponent - 1] * 10;
        exponent += 1;
    }
    powers
};

/// The digits of a number before its point or exponent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Digits<'p> {
    negative: bool,
    /// Value of the digits, if there are at most [`SAFE_DIGITS`].
    magnitude: u64,
    count: usize,
    /// What follows the digits.
    pub rest: &'p [u8],
}

/// Reads a number of at most seven digits, without sign, before a comma or a brace: most numbers of
/// most rows. `None` says nothing about others.
#[inline]
pub(super) fn few_digits(payload: &[u8]) -> Option<(i32, &[u8])> {
    let block = payload.first_chunk()?;
    let (value, length) = first_digits(*block);
    let after = block.get(length)?;
    let zeros = block[0] == b'0' && length > 1;
    let ends = matches!(after, b',' | b'}') && length > 0 && !zeros;
    ends.then_some((i32::try_from(value).ok()?, &payload[length..]))
}

/// Reads the sign and the whole digits of a number; `None` if there are none, or a zero too many.
#[inline]
pub(super) fn digits(payload: &[u8]) -> Option<Digits<'_>> {
    let (negative, number) = match payload.strip_prefix(b"-") {
        Some(number) => (true, number),
        None => (false, payload),
    };
    let (magnitude, count, rest) = run(number);
    let zeros = count > 1 && number.first() == Some(&b'0');
    (count > 0 && !zeros).then_some(Digits {
        negative,
        magnitude,
        count,
        rest,
    })
}

/// Reads digits. The value is right if there are at most [`SAFE_DIGITS`].
#[inline]
fn run(text: &[u8]) -> (u64, usize, &[u8]) {
    match text.first_chunk() {
        Some(block) => match first_digits(*block) {
            (value, length @ 0..8) => (value, length, &text[length..]),
            (value, _) => long_run(value, 8, &text[8..]),
        },
        None => long_run(0, 0, text),
    }
}

/// Continues after digits of this value and number.
fn long_run(mut value: u64, mut count: usize, mut rest: &[u8]) -> (u64, usize, &[u8]) {
    while let Some(block) = rest.first_chunk() {
        let (next, length) = first_digits(*block);
        let power = WHOLE_POWERS[length];
        value = value.wrapping_mul(power).wrapping_add(next);
        count += length;
        rest = &rest[length..];
        if length < 8 {
            return (value, count, rest);
        }
    }
    while let Some((digit, after)) = rest.split_first()
        && digit.is_ascii_digit()
    {
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        count += 1;
        rest = after;
    }
    (value, count, rest)
}

/// Returns the value and the number of the digits at the start of a block.
#[inline]
fn first_digits(block: [u8; 8]) -> (u64, usize) {
    let digits = u64::from_le_bytes(block) ^ 0x3030_3030_3030_3030;
    let low = digits & 0x7f7f_7f7f_7f7f_7f7f;
    let others = ((low + 0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080;
    let length = (others.trailing_zeros() / 8).min(8);
    if length == 8 {
        return (eight(digits), 8);
    }
    // The digits move to the end, after zeros.
    let moved = (digits << (8 * (7 - length))) << 8;
    (eight(moved), length as usize)
}

/// Returns the value of eight digits, the first one in the lowest byte.
#[inline]
fn eight(digits: u64) -> u64 {
    const MASK: u64 = 0x0000_00ff_0000_00ff;
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let high = (pairs & MASK).wrapping_mul(0x000f_4240_0000_0064);
    let low = ((pairs >> 16) & MASK).wrapping_mul(0x0000_2710_0000_0001);
    high.wrapping_add(low) >> 32
}

impl Digits<'_> {
    /// Returns whether the number is whole, without point and exponent.
    #[inline]
    pub(super) fn ended(&self) -> bool {
        !matches!(self.rest.first(), Some(b'.' | b'e' | b'E'))
    }

    /// Returns the value; `None` for `-0`, and if it may not fit.
    #[inline]
    pub(super) fn value(&self) -> Option<i64> {
        if self.count > SAFE_DIGITS || (self.negative && self.magnitude == 0) {
            return None;
        }
        let value = self.magnitude.cast_signed();
        Some(if self.negative { -value } else { value })
    }
}

/// Reads a number with a point or an exponent, whose whole digits are known; returns the nearest
/// double and what follows the number. `None` if it is not valid or not finite.
#[inline]
pub(super) fn decimal<'p>(payload: &'p [u8], whole: &Digits<'p>) -> Option<(f64, &'p [u8])> {
    let Some(after) = whole.rest.strip_prefix(b".") else {
        return parsed(payload, exponent(whole.rest)?);
    };
    let (fraction, count, rest) = run(after);
    if count == 0 {
        return None;
    }
    let exponent = exponent(rest)?;
    if exponent.len() == rest.len() && whole.count + count <= SAFE_DIGITS {
        let mantissa = whole.magnitude * WHOLE_POWERS[count] + fraction;
        if mantissa <= EXACT {
            let number = mantissa as f64 / POWERS[count];
            return Some((if whole.negative { -number } else { number }, rest));
        }
    }
    parsed(payload, exponent)
}

/// Returns what follows an exponent, if there is one.
#[inline]
fn exponent(text: &[u8]) -> Option<&[u8]> {
    let [b'e' | b'E', text @ ..] = text else {
        return Some(text);
    };
    let ([b'+' | b'-', unsigned @ ..] | unsigned) = text;
    let (_, count, rest) = run(unsigned);
    (count > 0).then_some(rest)
}

/// Parses the number before `rest`.
fn parsed<'p>(payload: &[u8], rest: &'p [u8]) -> Option<(f64, &'p [u8])> {
    let text = payload.get(..payload.len() - rest.len())?;
    let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    number.is_finite().then_some((number, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads a number before other bytes.
    fn read(text: &str) -> Option<(Option<i64>, f64)> {
        for after in ["", ",", "}", ",\"a\":1234567890"] {
            let payload = format!("{text}{after}");
            let found = digits(payload.as_bytes())?;
            if found.ended() {
                assert_eq!(found.rest, after.as_bytes(), "{payload}");
                if after.is_empty() {
                    continue;
                }
                return Some((found.value(), text.parse().unwrap()));
            }
            let (number, rest) = decimal(payload.as_bytes(), &found)?;
            assert_eq!(rest, after.as_bytes(), "{payload}");
            if !after.is_empty() {
                return Some((None, number));
            }
        }
        None
    }

    #[test]
    fn numbers_that_are_not_json_are_refused() {
        for text in [
            "", "-", "+1", "01", "-01", "00", "1.", ".5", "1.e5", "1e", "1e+", "x", "1e999",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn minus_zero_and_integers_that_may_not_fit_have_no_value() {
        for text in ["-0", "1000000000000000000", "9223372036854775808"] {
            assert_eq!(read(text).map(|(value, _)| value), Some(None), "{text}");
        }
    }

    proptest! {
        #[test]
        fn few_digits_are_those_that_all_digits_are(text in "-?[0-9]{0,9}[,}.e\"a]?[,0-9]{0,9}") {
            if let Some((value, rest)) = few_digits(text.as_bytes()) {
                let found = digits(text.as_bytes()).unwrap();
                prop_assert!(found.ended());
                prop_assert_eq!((found.value(), found.rest), (Some(i64::from(value)), rest));
            }
        }

        #[test]
        fn integers_of_every_length_are_read(number: i64, digits in 0_u32..19) {
            let number = number % 10_i64.pow(digits);
            let text = number.to_string();
            prop_assert_eq!(read(&text).and_then(|(value, _)| value), Some(number), "{}", text);
        }

        #[test]
        fn decimals_are_the_nearest_double(
            text in "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,2})?"
        ) {
            let (_, number) = read(&text).unwrap();
            prop_assert_eq!(number.to_bits(), text.parse::<f64>().unwrap().to_bits(), "{}", text);
        }
    }
}
