//! Numbers as text: which texts are quantities, and which are codes that a number would not preserve.

/// Digits of the longest integer that is exact as a number: those of a `Decimal128`.
pub const MAX_DIGITS: usize = 34;

/// Digits that always fit an `i64`.
const SAFE_DIGITS: usize = 18;

/// Digits of a decimal that a double always preserves.
const DOUBLE_DIGITS: usize = 15;

/// Length of the longest decimal that is converted without an allocation.
const SHORT: usize = 64;

/// The point of decimals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DecimalPoint {
    /// `1.5`
    #[default]
    Point,
    /// `1,5`
    Comma,
}

/// A canonical decimal integer: `0`, `12`, `-3`, but not `007`, `+5` or `-0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Integer {
    /// Within 64 bits.
    Small(i64),
    /// Beyond, with at most [`MAX_DIGITS`] digits.
    Large(i128),
    /// With more digits.
    Huge,
}

/// Parses a canonical integer.
pub fn integer(text: &str) -> Option<Integer> {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    match digits {
        [b'0'] if text.len() == 1 => return Some(Integer::Small(0)),
        [b'1'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit) => {}
        _ => return None,
    }
    if digits.len() <= SAFE_DIGITS {
        return text.parse().ok().map(Integer::Small);
    }
    if digits.len() > MAX_DIGITS {
        return Some(Integer::Huge);
    }
    let number: i128 = text.parse().ok()?;
    Some(i64::try_from(number).map_or(Integer::Large(number), Integer::Small))
}

/// Returns whether a text is a canonical integer of at most [`MAX_DIGITS`] digits.
pub fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    match digits {
        [b'0'] => text.len() == 1,
        [b'1'..=b'9', rest @ ..] => rest.len() < MAX_DIGITS && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// Parses a decimal that is not a canonical integer: `0.50`, `.5`, `1e-7`, `-0`.
///
/// Codes are not decimals: `00.5`, `+1.5`, `1_000`, `inf`; neither are numbers beyond a double.
pub fn decimal(text: &str, point: DecimalPoint) -> Option<f64> {
    let unsigned = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let (first, rest) = unsigned.split_first()?;
    let padded = *first == b'0' && rest.first().is_some_and(u8::is_ascii_digit);
    let separator = point.byte();
    let fraction = |byte: &u8| *byte == separator || matches!(byte, b'e' | b'E');
    if !(first.is_ascii_digit() || *first == separator)
        || padded
        || !(unsigned.iter().any(fraction) || text == "-0")
    {
        return None;
    }
    number(text, point)
}

/// Parses any finite number.
pub fn number(text: &str, point: DecimalPoint) -> Option<f64> {
    let finite = |text: &str| text.parse().ok().filter(|number: &f64| number.is_finite());
    if point == DecimalPoint::Point {
        return finite(text);
    }
    if text.contains('.') {
        return None;
    }
    let mut short = [0; SHORT];
    let Some(copy) = short.get_mut(..text.len()) else {
        return finite(&text.replacen(',', ".", 1));
    };
    copy.copy_from_slice(text.as_bytes());
    if let Some(comma) = copy.iter_mut().find(|byte| **byte == b',') {
        *comma = b'.';
    }
    finite(std::str::from_utf8(copy).ok()?)
}

impl DecimalPoint {
    fn byte(self) -> u8 {
        match self {
            Self::Point => b'.',
            Self::Comma => b',',
        }
    }
}

/// Returns whether a decimal may be a code as well: digits, `e` or `E`, digits, as `1E5`.
pub fn may_be_code(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    unsigned
        .split_once(['e', 'E'])
        .is_some_and(|(mantissa, exponent)| digits(mantissa) && digits(exponent))
}

/// Returns whether a double preserves a decimal: whether the double, written with the decimal's
/// number of digits or with as few digits as identify it, gives the decimal again.
///
/// So `0.1`, `0.10000000000000001` and the 55 digits of the double next to 0.1 are preserved, and
/// `9007199254740993.0` and `1e-400` are not.
pub fn is_exact(text: &str, value: f64) -> bool {
    let (digits, count) = significant(text);
    if value == 0.0 {
        return count == 0;
    }
    if count <= DOUBLE_DIGITS {
        return true;
    }
    let same_length = format!("{value:.precision$e}", precision = count - 1);
    let mut written = significant(&same_length).0;
    let digits: Vec<u8> = digits.take(count).collect();
    digits.iter().all(|&digit| written.next() == Some(digit)) || {
        let shortest = format!("{value:e}");
        let (written, length) = significant(&shortest);
        length == count && written.take(count).eq(digits)
    }
}

/// Returns how many digits of a number are significant: those from the first to the last that is not
/// zero.
pub fn significant_digits(text: &str) -> usize {
    significant(text).1
}

/// Returns the significant digits of a number, and how many there are.
fn significant(text: &str) -> (impl Iterator<Item = u8>, usize) {
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let digits = mantissa.bytes().filter(u8::is_ascii_digit);
    let digits = digits.skip_while(|&digit| digit == b'0');
    let last = digits
        .clone()
        .enumerate()
        .filter(|(_, digit)| *digit != b'0');
    let count = last.last().map_or(0, |(index, _)| index + 1);
    (digits, count)
}

/// Values of cells that a spreadsheet could not compute. `#N/A` is a usual mark of a missing value.
const SPREADSHEET_ERRORS: [&str; 7] = [
    "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#NULL!", "#N/A",
];

/// Returns whether a text is an integer with a comma between each three digits: `1,234`.
pub fn has_thousands(text: &str) -> bool {
    let mut groups = text.strip_prefix('-').unwrap_or(text).split(',');
    let digits = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit());
    let first = groups.next().unwrap_or_default();
    let mut rest = groups.peekable();
    (1..=3).contains(&first.len())
        && digits(first)
        && rest.peek().is_some()
        && rest.all(|group| group.len() == 3 && digits(group))
}

/// Returns why a text that resembles a number is not one.
pub fn obstacle(text: &str) -> Option<Obstacle> {
    if SPREADSHEET_ERRORS.contains(&text) {
        return Some(Obstacle::SpreadsheetError);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is = |word: &str| unsigned.eq_ignore_ascii_case(word);
    if is("inf") || is("infinity") || is("nan") {
        return Some(Obstacle::NotFinite);
    }
    let first = unsigned.bytes().next()?;
    if !(first.is_ascii_digit() || matches!(first, b'.' | b',')) || text.len() > SHORT {
        return integer(text).map(|_| Obstacle::TooManyDigits);
    }
    if let Ok(number) = unsigned.parse::<f64>() {
        return Some(match integer(text) {
            Some(_) => Obstacle::TooManyDigits,
            None if text.starts_with('+') => Obstacle::PlusSign,
            None if number.is_infinite() => Obstacle::NotFinite,
            None => Obstacle::LeadingZero,
        });
    }
    let number = |text: &str| text.parse::<f64>().is_ok();
    if number(&unsigned.replacen(',', ".", 1)) {
        return Some(Obstacle::Comma);
    }
    let padded = unsigned.starts_with('0') && !unsigned.starts_with("0.");
    let separators = [',', '.', '_', '\'', ' ', '\u{a0}', '\u{202f}'];
    if unsigned.contains(separators) && number(&unsigned.replace(separators, "")) {
        return Some(if padded {
            Obstacle::LeadingZero
        } else {
            Obstacle::Separator
        });
    }
    let hexadecimal = unsigned
        .strip_prefix("0x")
        .or(unsigned.strip_prefix("0X"))?;
    let digits = hexadecimal.bytes().all(|digit| digit.is_ascii_hexdigit());
    (digits && !hexadecimal.is_empty()).then_some(Obstacle::Hexadecimal)
}

/// What keeps a text from being a number that convoy can preserve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// `inf`, `1e400`
    NotFinite,
    /// An integer of more than [`MAX_DIGITS`] digits.
    TooManyDigits,
    /// `007`
    LeadingZero,
    /// `+5`
    PlusSign,
    /// `1,5`, where decimals have a point.
    Comma,
    /// `1_000`, `1,234.5`
    Separator,
    /// `0x1F`
    Hexadecimal,
    /// `#DIV/0!`
    SpreadsheetError,
}

impl Obstacle {
    /// Returns whether the text is more likely a code than a number.
    pub fn is_code(self) -> bool {
        matches!(self, Self::LeadingZero | Self::Hexadecimal)
    }

    /// Returns the obstacle in words.
    pub fn text(self) -> &'static str {
        match self {
            Self::NotFinite => "not a finite number",
            Self::TooManyDigits => "more than 34 digits",
            Self::LeadingZero => "a leading zero",
            Self::PlusSign => "a plus sign",
            Self::Comma => "a comma",
            Self::Separator => "a separator between digits",
            Self::Hexadecimal => "hexadecimal",
            Self::SpreadsheetError => "an error of a spreadsheet",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POINT: DecimalPoint = DecimalPoint::Point;

    #[test]
    fn quantities_are_numbers_and_codes_are_not() {
        for text in [
            "0",
            "12",
            "-3",
            "9223372036854775807",
            "-9223372036854775808",
        ] {
            assert!(matches!(integer(text), Some(Integer::Small(_))), "{text}");
        }
        for text in [
            "9223372036854775808",
            "-18446744073709551616",
            &"9".repeat(34),
        ] {
            assert!(matches!(integer(text), Some(Integer::Large(_))), "{text}");
            assert!(is_integer(text), "{text}");
        }
        assert_eq!(integer(&"9".repeat(35)), Some(Integer::Huge));
        assert!(!is_integer(&"9".repeat(35)));
        for text in [
            "0.0", "0.50", "-0", ".5", "5.", "1e-7", "1E5", "-0.0", "12.25",
        ] {
            assert!(decimal(text, POINT).is_some(), "{text}");
            assert_eq!(integer(text), None, "{text}");
        }
        for text in [
            "007", "+5", "1e999", "nan", "inf", "-", ".", "e5", "1e", " 5", "5 ", "0x10", "1_000",
            "00.5", "+1.5", "NA", "neg", "--1", "1.2.3", "٣", "1,5", "", "-", "--",
        ] {
            assert_eq!(integer(text), None, "{text}");
            assert_eq!(decimal(text, POINT), None, "{text}");
        }
    }

    #[test]
    fn decimal_comma_replaces_the_point() {
        let comma = |text: &str| decimal(text, DecimalPoint::Comma);
        assert_eq!(comma("1,5"), Some(1.5));
        assert_eq!(comma("-,5"), Some(-0.5));
        assert_eq!(comma("1,5e3"), Some(1500.0));
        assert_eq!(comma(&format!("0,{}", "1".repeat(99))), Some(1.0 / 9.0));
        for text in ["1.5", "1.000,5", "1,000,000", "5", ","] {
            assert_eq!(comma(text), None, "{text}");
        }
    }

    #[test]
    fn exponents_without_point_and_sign_may_be_codes() {
        for text in ["1E5", "2e7", "12E34", "-1E5"] {
            assert!(may_be_code(text), "{text}");
        }
        for text in ["1.0E5", "1e-5", "1e+5", "1.5", "5", "E5", "1E"] {
            assert!(!may_be_code(text), "{text}");
        }
    }

    #[test]
    fn decimals_beyond_a_double_are_recognised() {
        let exact = |text: &str| is_exact(text, text.parse().unwrap());
        for text in [
            "0.1",
            "0.10000000000000001",
            "0.1000000000000000055511151231257827021181583404541015625",
            "1.50000000000000000000000",
            "1e308",
            "-0.0",
            "9007199254740992.0",
        ] {
            assert!(exact(text), "{text}");
        }
        for text in [
            "9007199254740993.0",
            "0.1000000000000000000000000001",
            "123456789012345678.25",
            "1e-400",
        ] {
            assert!(!exact(text), "{text}");
        }
    }

    #[test]
    fn obstacles_name_what_keeps_a_text_from_being_a_number() {
        for (text, expected) in [
            ("inf", Obstacle::NotFinite),
            ("-Infinity", Obstacle::NotFinite),
            ("1e400", Obstacle::NotFinite),
            ("02134", Obstacle::LeadingZero),
            ("-00.5", Obstacle::LeadingZero),
            ("00 01", Obstacle::LeadingZero),
            ("+5", Obstacle::PlusSign),
            ("1_000", Obstacle::Separator),
            ("1,234.5", Obstacle::Separator),
            ("1.234.567", Obstacle::Separator),
            ("1,5", Obstacle::Comma),
            ("0x1F", Obstacle::Hexadecimal),
            (&"9".repeat(35), Obstacle::TooManyDigits),
            (&"9".repeat(99), Obstacle::TooManyDigits),
        ] {
            assert_eq!(obstacle(text), Some(expected), "{text}");
        }
        for text in ["neg", "12 km", "A7", "1-2-3", "", "0x", "-"] {
            assert_eq!(obstacle(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_integer_is_an_integer(number: i64) {
            prop_assert_eq!(integer(&number.to_string()), Some(Integer::Small(number)));
            prop_assert!(is_integer(&number.to_string()));
        }

        #[test]
        fn every_finite_double_is_an_exact_decimal(number in proptest::num::f64::NORMAL) {
            for text in [format!("{number:e}"), format!("{number:.16e}"), format!("{number:?}")] {
                let value = decimal(&text, POINT);
                prop_assert_eq!(value, Some(number));
                prop_assert!(is_exact(&text, number), "{}", text);
            }
        }

        #[test]
        fn integers_print_as_their_text(text in "[-+0-9]{0,40}") {
            let expected = match integer(&text) {
                Some(Integer::Small(number)) => number.to_string(),
                Some(Integer::Large(number)) => number.to_string(),
                Some(Integer::Huge) | None => {
                    prop_assert!(!is_integer(&text));
                    return Ok(());
                }
            };
            prop_assert_eq!(expected, text);
        }

        #[test]
        fn any_text_has_an_answer(text: String) {
            let _answers = (integer(&text), decimal(&text, POINT), obstacle(&text));
            let _comma = number(&text, DecimalPoint::Comma);
        }
    }
}
