//! Names of runs: sortable by their start, and different for runs of the same second.

use chrono::{DateTime, Utc};

/// Makes the name of a run that starts now: `20261123-042110-7f3a`.
pub fn of_start(unix_ms: u64, monotonic_ns: u64) -> String {
    let started = i64::try_from(unix_ms)
        .ok()
        .and_then(DateTime::<Utc>::from_timestamp_millis);
    let started = started.unwrap_or_default().format("%Y%m%d-%H%M%S");
    let mut distinct = [0; 12];
    distinct[..4].copy_from_slice(&std::process::id().to_be_bytes());
    distinct[4..].copy_from_slice(&monotonic_ns.to_be_bytes());
    let distinct = xxhash_rust::xxh3::xxh3_64(&distinct) & 0xffff;
    format!("{started}-{distinct:04x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_named_by_its_start_and_something_of_its_own() {
        let (one, other) = (
            of_start(1_795_408_084_436, 1),
            of_start(1_795_408_084_436, 2),
        );
        assert!(one.starts_with("20261123-042804-"), "{one}");
        assert_ne!(one, other);
    }
}
