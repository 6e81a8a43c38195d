//! Parsers of option values. Each error completes "invalid value `…` for `--…`: ".

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::dataset::TextEncoding;
use crate::faults::Spec;
use crate::load::Rate;
use crate::record::{MAX_RUN_ID, is_run_id};
use crate::settings::{Advertised, Encoding, LoadFile, NewTopic};
use crate::terminal::Ui;

/// Longest duration of an option. Its nanoseconds fit 64 bits many times.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Parses a value whose error explains itself.
pub(super) fn value<T>(text: &str) -> Result<T, String>
where
    T: FromStr,
    T::Err: fmt::Display,
{
    text.parse().map_err(|error: T::Err| error.to_string())
}

/// Parses a whole number of at least one, such as `500`, `10k`, `1_000` or `2M`.
pub(super) fn count<T>(text: &str) -> Result<T, String>
where
    T: TryFrom<u64>,
{
    match whole(text) {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(number) => T::try_from(number).map_err(|_too_large| "too large".to_owned()),
        Err(_) => Err("expected a whole number of at least 1, such as `500` or `10k`".to_owned()),
    }
}

/// Parses a whole number, such as `0`, `500`, `10k`, `1_000` or `2M`.
pub(super) fn whole(text: &str) -> Result<u64, String> {
    spelled_out(text)
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| "expected a whole number, such as `500` or `10k`".to_owned())
}

/// Parses a rate; its number may be written as `10k` or `1_000`.
pub(super) fn rate(text: &str) -> Result<Rate, String> {
    let (number, unit) = match text.split_once('/') {
        Some((number, unit)) => (number, format!("/{unit}")),
        None => (text, String::new()),
    };
    match spelled_out(number) {
        Some(digits) => value(&format!("{digits}{unit}")),
        None => value(text),
    }
}

/// Parses the encoding of messages, which is not that of files.
pub(super) fn encoding(text: &str) -> Result<Encoding, String> {
    value(text).map_err(|reason| match text.parse::<TextEncoding>() {
        Ok(_) => format!("{reason}; the encoding of CSV files is `--file-encoding`"),
        Err(_) => reason,
    })
}

/// Parses the form of the progress. `never` is its name in the earlier option `--progress`.
pub(super) fn ui(text: &str) -> Result<Ui, String> {
    match text {
        "never" => Ok(Ui::Plain),
        text => value(text),
    }
}

/// Parses a port; 0 asks for a free one.
pub(super) fn port(text: &str) -> Result<u16, String> {
    text.parse()
        .map_err(|_| "expected a port from 0 to 65535".to_owned())
}

/// Replaces a suffix `k`, `M` or `G` by its zeros, and removes `_` between digits.
///
/// Returns `None` if the text is not an unsigned decimal number.
fn spelled_out(text: &str) -> Option<String> {
    let (number, zeros) = match text.chars().last()? {
        'k' | 'K' => (&text[..text.len() - 1], 3),
        'M' => (&text[..text.len() - 1], 6),
        'G' => (&text[..text.len() - 1], 9),
        _ => (text, 0),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let whole = digits(whole)?;
    let fraction = digits(fraction)?;
    let fraction = fraction.trim_end_matches('0');
    let moved = fraction.len().min(zeros);
    let (multiplied, rest) = fraction.split_at(moved);
    let number = format!("{whole}{multiplied:0<zeros$}");
    Some(if rest.is_empty() {
        number
    } else {
        format!("{number}.{rest}")
    })
}

/// Returns the digits of `1_000`; `None` if there are others, or `_` is not between two digits.
fn digits(text: &str) -> Option<String> {
    let groups = text.split('_');
    let is_number = |group: &str| !group.is_empty() && group.bytes().all(|b| b.is_ascii_digit());
    groups
        .clone()
        .all(is_number)
        .then(|| groups.collect::<String>())
}

/// Parses the name of a run or a group, which becomes part of file names and keys.
pub(super) fn name(text: &str) -> Result<String, String> {
    if is_run_id(text) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "expected up to {MAX_RUN_ID} letters, digits, `.`, `_` and `-`, starting with a letter or a digit"
    ))
}

/// Parses a number above zero.
pub(super) fn positive(text: &str) -> Result<f64, String> {
    let spelled_out = spelled_out(text);
    match spelled_out.as_deref().unwrap_or(text).parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        _ => Err("expected a number above 0".to_owned()),
    }
}

/// Most rounds of a comparison before more are run: two pairs each, and those that confirm a
/// difference. Statistics count a limited number of pairs.
const MOST_ROUNDS: u64 = 60;

/// Most rounds of a comparison.
const MOST_MAX_ROUNDS: u64 = 200;

/// Parses a number of rounds of at least 1.
pub(super) fn rounds(text: &str) -> Result<u32, String> {
    match more_rounds(text)? {
        0 => Err("must be at least 1".to_owned()),
        rounds => Ok(rounds),
    }
}

/// Parses a number of rounds.
pub(super) fn more_rounds(text: &str) -> Result<u32, String> {
    at_most(text, MOST_ROUNDS)
}

/// Parses the number of rounds up to which more are run.
pub(super) fn max_rounds(text: &str) -> Result<u32, String> {
    at_most(text, MOST_MAX_ROUNDS)
}

fn at_most(text: &str, most: u64) -> Result<u32, String> {
    match whole(text) {
        Ok(rounds) if rounds <= most => Ok(u32::try_from(rounds).unwrap_or_default()),
        Ok(_) => Err(format!("must be at most {most}")),
        Err(_) => Err("expected a whole number, such as `6`".to_owned()),
    }
}

/// Parses a percentage above 0, such as `5%`, as a share.
pub(super) fn percent(text: &str) -> Result<f64, String> {
    let expected = "expected a percentage above 0, such as `5%`".to_owned();
    let number = text.trim().strip_suffix('%').map(str::trim);
    match number.and_then(|number| number.parse::<f64>().ok()) {
        Some(number) if number.is_finite() && number > 0.0 && number <= 1e6 => Ok(number / 100.0),
        _ => Err(expected),
    }
}

/// Parses a confidence from 50% to 99.99% as a share.
pub(super) fn confidence(text: &str) -> Result<f64, String> {
    match percent(text) {
        Ok(share) if (0.5..=0.9999).contains(&share) => Ok(share),
        _ => Err("expected a percentage from 50% to 99.99%".to_owned()),
    }
}

/// Parses a duration with its unit.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if duration > LONGEST => Err("must not be longer than a year".to_owned()),
        Ok(duration) => Ok(duration),
        Err(_) => Err("expected a duration with its unit, such as `10s` or `250ms`".to_owned()),
    }
}

/// Parses a duration above zero with its unit.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be longer than 0".to_owned()),
        span => Ok(span),
    }
}

/// Parses the name of a topic by Kafka's rules.
pub(super) fn topic(text: &str) -> Result<String, String> {
    let legal = |symbol: char| symbol.is_ascii_alphanumeric() || "._-".contains(symbol);
    if text.is_empty() || text.len() > 249 || text == "." || text == ".." {
        return Err("expected 1 to 249 characters, not `.` or `..`".to_owned());
    }
    if !text.chars().all(legal) {
        return Err("expected letters, digits, `.`, `_` and `-`".to_owned());
    }
    Ok(text.to_owned())
}

/// Parses the name of a topic in a list, which may have a space after its comma.
pub(super) fn listed_topic(text: &str) -> Result<String, String> {
    topic(text.trim())
}

/// Parses `NAME` or `NAME:PARTITIONS`.
pub(super) fn new_topic(text: &str) -> Result<NewTopic, String> {
    let text = text.trim();
    let (name, partitions) = match text.split_once(':') {
        Some((name, partitions)) => (name, count(partitions)?),
        None => (text, 1),
    };
    Ok(NewTopic {
        name: topic(name)?,
        partitions,
    })
}

/// Parses `FILE:DATABASE.COLLECTION`.
pub(super) fn load_file(text: &str) -> Result<LoadFile, String> {
    let expected = || "expected FILE:DATABASE.COLLECTION".to_owned();
    let (path, target) = text.trim().rsplit_once(':').ok_or_else(expected)?;
    let (name, into) = target.split_once('.').ok_or_else(expected)?;
    if path.is_empty() {
        return Err(expected());
    }
    Ok(LoadFile {
        path: path.into(),
        database: database(name)?,
        collection: collection(into)?,
    })
}

/// Checks a fault plan, or a part of one. The parts are parsed together later.
pub(super) fn faults(text: &str) -> Result<String, String> {
    value::<Spec>(text).map(|_checked| text.to_owned())
}

/// Parses the name of a database by MongoDB's rules.
pub(super) fn database(text: &str) -> Result<String, String> {
    let illegal = |symbol: char| "/\\. \"$*<>:|?\0".contains(symbol);
    if text.is_empty() || text.len() > 63 {
        return Err("expected 1 to 63 bytes".to_owned());
    }
    if text.contains(illegal) {
        return Err("must not contain spaces or any of /\\.\"$*<>:|?".to_owned());
    }
    Ok(text.to_owned())
}

/// Parses the name of a collection by MongoDB's rules.
pub(super) fn collection(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 200 {
        return Err("expected 1 to 200 bytes".to_owned());
    }
    if text.starts_with("system.") || text.contains(['$', '\0']) {
        return Err("must not start with `system.` or contain `$`".to_owned());
    }
    Ok(text.to_owned())
}

/// Parses a user name that fits basic authentication, SASL and a line of text.
pub(super) fn user(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(':') || text.contains(char::is_control) {
        return Err("expected a name without `:` and without control characters".to_owned());
    }
    Ok(text.to_owned())
}

/// Parses the address that clients are told to connect to.
pub(super) fn advertised(text: &str) -> Result<Advertised, String> {
    let expected = || "expected HOST:PORT with a port from 1 to 65535".to_owned();
    let (host, port) = text.rsplit_once(':').ok_or_else(expected)?;
    let allowed = |symbol: char| symbol.is_ascii_alphanumeric() || "-_.".contains(symbol);
    if host.is_empty() || host.len() > 253 || !host.chars().all(allowed) {
        return Err(expected());
    }
    let port = port.parse().ok().filter(|port| *port > 0);
    Ok(Advertised {
        host: host.to_owned(),
        port: port.ok_or_else(expected)?,
    })
}

/// Reads the name of a replica set, which is part of connection strings.
pub(super) fn replica_set(text: &str) -> Result<String, String> {
    let allowed = |symbol: char| symbol.is_ascii_alphanumeric() || "-_.".contains(symbol);
    if text.is_empty() || text.len() > 64 || !text.chars().all(allowed) {
        return Err("expected at most 64 letters, digits, `-`, `_` and `.`".to_owned());
    }
    Ok(text.to_owned())
}

/// Parses a precision from 1 % to 50 % as a share.
pub(super) fn precision(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').map(|number| number.trim().parse());
    match number {
        Some(Ok(percent)) if (1.0..=50.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err("expected a percentage from `1%` to `50%`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advertised_address_is_a_host_and_a_port() {
        for (text, host, port) in [
            ("localhost:19092", "localhost", 19_092),
            ("10.0.0.7:1", "10.0.0.7", 1),
            ("a-b.example:65535", "a-b.example", 65_535),
        ] {
            let parsed = advertised(text).unwrap();
            assert_eq!((parsed.host.as_str(), parsed.port), (host, port));
        }
        for text in [
            "",
            ":",
            "host",
            "host:",
            ":1",
            "host:0",
            "host:65536",
            "[::1]:9",
            "a b:1",
        ] {
            assert!(advertised(text).is_err(), "{text}");
        }
    }

    #[test]
    fn replica_set_names_fit_into_connection_strings() {
        for name in ["rs0", "my-set_1.a"] {
            assert_eq!(replica_set(name).as_deref(), Ok(name));
        }
        let long = "x".repeat(65);
        for name in ["", "a/b", "a b", "a&b", "ä", long.as_str()] {
            assert!(replica_set(name).is_err(), "{name}");
        }
    }

    #[test]
    fn percentages_have_their_sign() {
        assert_eq!(percent("5%"), Ok(0.05));
        assert_eq!(percent(" 2.5 %"), Ok(0.025));
        for text in ["5", "0%", "-1%", "nan%", "inf%", "%", "", "1e9%"] {
            assert!(percent(text).is_err(), "{text}");
        }
        assert_eq!(confidence("95%"), Ok(0.95));
        for text in ["100%", "10%", "95"] {
            assert!(confidence(text).is_err(), "{text}");
        }
    }

    #[test]
    fn counts_take_suffixes_and_underscores() {
        for (text, number) in [
            ("500", 500),
            ("1_000", 1_000),
            ("10k", 10_000),
            ("1.5k", 1_500),
            ("2M", 2_000_000),
            ("1_0K", 10_000),
            ("3G", 3_000_000_000),
        ] {
            assert_eq!(count::<u64>(text), Ok(number), "{text}");
        }
        for text in [
            "", "k", "-1", "1__0", "_1", "1_", "1.5", "1.0005k", "1e3", "1m", "10kk", "١",
        ] {
            assert!(count::<u64>(text).is_err(), "{text}");
        }
        assert_eq!(count::<u64>("0k"), Err("must be at least 1".to_owned()));
        assert_eq!(count::<i16>("40k"), Err("too large".to_owned()));
        assert_eq!(whole("0"), Ok(0));
    }

    #[test]
    fn rates_and_thresholds_take_suffixes() {
        assert_eq!(rate("10k"), rate("10000"));
        assert_eq!(rate("1_200/m"), rate("20"));
        assert_eq!(rate("0.5"), rate("30/m"));
        assert_eq!(rate("max"), Ok(Rate::Max));
        assert!(rate("10k/x").is_err());
        assert_eq!(positive("1.5k"), Ok(1_500.0));
        assert!(positive("nan").is_err());
    }
}
