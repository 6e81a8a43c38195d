//! Numbers for people: three significant digits and a unit.

/// Returns a computed number of microseconds, not negative, as a duration.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "durations are not negative"
)]
pub fn microseconds(us: f64) -> String {
    duration(us.round() as u64)
}

/// Formats a duration given in microseconds.
pub fn duration(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{} ms", significant(us as f64 / 1e3)),
        _ => format!("{} s", significant(us as f64 / 1e6)),
    }
}

/// Formats bounds given in microseconds: `39.1–46.0` in the unit of `value`, or each with its unit.
pub fn duration_bounds(value: u64, low: u64, high: u64) -> String {
    let unit = |us: u64| match us {
        0..1_000 => "µs",
        1_000..1_000_000 => "ms",
        _ => "s",
    };
    let (low_text, high_text) = (duration(low), duration(high));
    if [low, high].iter().any(|bound| unit(*bound) != unit(value)) {
        return format!("{low_text}–{high_text}");
    }
    let number = |text: &str| text.split(' ').next().unwrap_or_default().to_owned();
    format!("{}–{}", number(&low_text), number(&high_text))
}

/// Formats a count with thousands separators.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats a count of things: `1 row`, `2,000 rows`.
pub fn plural(number: u64, thing: &str) -> String {
    let end = if number == 1 { "" } else { "s" };
    format!("{} {thing}{end}", count(number))
}

/// Formats a rate per second.
pub fn rate(per_second: f64) -> String {
    if per_second < 999.5 {
        return significant(per_second);
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at least 1,000 when rounded; saturates far above any rate"
    )]
    let whole = per_second.round() as u64;
    count(whole)
}

/// Formats a number of bytes in decimal units.
pub fn bytes(value: f64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let (mut value, mut unit) = (value, UNITS[0]);
    for next in &UNITS[1..] {
        // A value that rounds to 1,000 of this unit is 1.00 of the next.
        if value < 999.5 {
            break;
        }
        value /= 1_000.0;
        unit = next;
    }
    format!("{} {unit}", significant(value))
}

/// Formats with three significant digits, and every digit before the decimal point.
pub fn significant(value: f64) -> String {
    match value {
        value if !value.is_finite() => "–".to_owned(),
        value if value.abs() < 9.995 => format!("{value:.2}"),
        value if value.abs() < 99.95 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_change_unit_at_1000() {
        let shown = [0, 999, 1_000, 14_250, 999_400, 1_000_000, 75_000_000].map(duration);
        assert_eq!(
            shown,
            [
                "0 µs", "999 µs", "1.00 ms", "14.2 ms", "999 ms", "1.00 s", "75.0 s"
            ]
        );
    }

    #[test]
    fn bounds_name_their_unit_only_if_it_differs() {
        assert_eq!(duration_bounds(41_800, 39_100, 46_000), "39.1–46.0");
        assert_eq!(duration_bounds(900, 850, 1_200), "850 µs–1.20 ms");
        assert_eq!(
            duration_bounds(2_000_000, 1_000_000, 3_000_000),
            "1.00–3.00"
        );
    }

    #[test]
    fn counts_have_thousands_separators() {
        let shown = [0, 999, 1_000, 1_234_567].map(count);
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn one_thing_is_singular() {
        let shown = [0, 1, 1_000].map(|number| plural(number, "row"));
        assert_eq!(shown, ["0 rows", "1 row", "1,000 rows"]);
    }

    #[test]
    fn rates_and_sizes_have_three_digits() {
        assert_eq!(
            [0.5, 50.0, 999.6, 25_417.4].map(rate),
            ["0.50", "50.0", "1,000", "25,417"]
        );
        assert_eq!(
            [12.0, 115_600.0, 999_900.0, 2.5e9].map(bytes),
            ["12.0 B", "116 kB", "1.00 MB", "2.50 GB"]
        );
    }
}
