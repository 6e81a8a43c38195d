//! Ids of runs: sorted by start time, and unique within a second.

use crate::measure::RunClock;
use crate::report::rfc3339;

/// Returns the id of a run that starts with its clock, such as `20261123-042110-7f3a`.
pub(crate) fn new_run_id(clock: RunClock) -> String {
    run_id_at(clock.epoch_unix_ms(), clock.epoch_monotonic_ns())
}

/// Returns the id of a run that starts at this time.
pub(crate) fn run_id_at(unix_ms: u64, monotonic_ns: u64) -> String {
    let started = rfc3339(unix_ms);
    let digits = |text: &str| -> String { text.chars().filter(char::is_ascii_digit).collect() };
    let (date, time) = started.split_once('T').unwrap_or((&started, ""));
    let (time, _fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut distinct = [0; 12];
    distinct[..4].copy_from_slice(&std::process::id().to_be_bytes());
    distinct[4..].copy_from_slice(&monotonic_ns.to_be_bytes());
    let distinct = xxhash_rust::xxh3::xxh3_64(&distinct) & 0xffff;
    format!("{}-{}-{distinct:04x}", digits(date), digits(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_contain_the_start_and_differ_within_a_second() {
        let (one, other) = (
            run_id_at(1_795_408_084_436, 1),
            run_id_at(1_795_408_084_436, 2),
        );
        assert!(one.starts_with("20261123-042804-"), "{one}");
        assert_ne!(one, other);
    }
}
