//! Doubles as text, as C++ prints them.

/// Converts a double to the shortest text that gives the same double.
pub fn shortest(number: f64) -> String {
    match special(number) {
        Some(text) => text.to_owned(),
        None => from_scientific(&format!("{number:e}"), 16),
    }
}

/// Converts a double to text with six digits.
pub fn six_digits(number: f64) -> String {
    if number.is_finite() {
        return from_scientific(&format!("{number:.5e}"), 6);
    }
    // As C prints them.
    let text = match special(number) {
        Some("NaN") => "nan",
        Some("Infinity") => "inf",
        _ => "-inf",
    };
    text.to_owned()
}

fn special(number: f64) -> Option<&'static str> {
    if number.is_nan() {
        return Some("NaN");
    }
    if number.is_infinite() {
        return Some(if number > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        });
    }
    None
}

/// Rewrites `1.25e-7`: without an exponent from −4 up to `limit` digits before the point, otherwise
/// with one of at least two digits. Zeros at the end are dropped.
fn from_scientific(text: &str, limit: i32) -> String {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let digits = mantissa.replace('.', "");
    let digits = match digits.trim_end_matches('0') {
        "" => "0",
        digits => digits,
    };
    if exponent < -4 || exponent >= limit {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        let direction = if exponent < 0 { '-' } else { '+' };
        return format!(
            "{sign}{first}{point}{rest}e{direction}{:02}",
            exponent.abs()
        );
    }
    let Ok(whole) = usize::try_from(exponent + 1) else {
        let zeros = usize::try_from(-exponent - 1).unwrap_or_default();
        return format!("{sign}0.{}{digits}", "0".repeat(zeros));
    };
    match digits.split_at_checked(whole) {
        Some(("", rest)) => format!("{sign}0.{rest}"),
        Some((whole, "")) => format!("{sign}{whole}"),
        Some((whole, rest)) => format!("{sign}{whole}.{rest}"),
        None => format!("{sign}{digits}{}", "0".repeat(whole - digits.len())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn exponents_start_at_the_same_sizes_as_in_c() {
        for (number, text, short) in [
            (1e16, "1e+16", "1e+16"),
            (1e15, "1000000000000000", "1e+15"),
            (9e-5, "9e-05", "9e-05"),
            (1e-4, "0.0001", "0.0001"),
            (1.5e-7, "1.5e-07", "1.5e-07"),
            (123_456.789, "123456.789", "123457"),
            (1e6, "1000000", "1e+06"),
            (-0.0, "-0", "-0"),
            (2.5, "2.5", "2.5"),
            (-12.0, "-12", "-12"),
            (1e300, "1e+300", "1e+300"),
        ] {
            assert_eq!(shortest(number), text);
            assert_eq!(six_digits(number), short);
        }
    }

    proptest! {
        #[test]
        fn shortest_text_gives_the_same_double(number in any::<f64>()) {
            if number.is_finite() {
                prop_assert_eq!(shortest(number).parse::<f64>().ok(), Some(number));
            }
        }
    }
}
