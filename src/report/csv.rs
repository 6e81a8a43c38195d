//! CSV form: one line per second of the run. Columns are the JSON keys of an interval; a latency
//! without samples is an empty field.

use std::io::{self, Write};

use crate::measure::{Interval, IntervalPhase};

/// Columns before the latencies.
const COUNTS: [&str; 8] = [
    "start_s", "phase", "emitted", "acked", "fetched", "stored", "backlog", "lag",
];

/// Writes a header and the intervals.
pub fn write(intervals: &[Interval], output: impl Write) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(output);
    let latencies = Interval::default().latencies();
    let latencies = latencies.iter().map(|(key, _)| key.as_str());
    writer.write_record(COUNTS.into_iter().chain(latencies))?;
    for interval in intervals {
        writer.write_record(fields(interval))?;
    }
    writer.flush()
}

fn fields(interval: &Interval) -> impl Iterator<Item = String> {
    let counts = [
        format!("{:?}", interval.start_s),
        interval.phase.map_or("", IntervalPhase::name).to_owned(),
        interval.emitted.to_string(),
        interval.acked.to_string(),
        interval.fetched.to_string(),
        interval.stored.to_string(),
        interval.backlog.to_string(),
        interval
            .lag
            .map_or_else(String::new, |records| records.to_string()),
    ];
    let latencies = interval.latencies().into_iter();
    let latencies = latencies.map(|(_, value)| value.map_or_else(String::new, |us| us.to_string()));
    counts.into_iter().chain(latencies)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::*;
    use crate::report::sample;

    fn rows(intervals: &[Interval]) -> Vec<BTreeMap<String, String>> {
        let mut written = Vec::new();
        write(intervals, &mut written).unwrap();
        let mut reader = csv::Reader::from_reader(written.as_slice());
        reader.deserialize().collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn columns_are_the_keys_and_values_of_an_interval() {
        let mut intervals = sample::report().intervals;
        // Nothing was stored in this second.
        intervals[1].stages = Interval::default().stages;
        for (row, interval) in rows(&intervals).iter().zip(&intervals) {
            let json = serde_json::to_value(interval).unwrap();
            let json: BTreeMap<String, Value> = serde_json::from_value(json).unwrap();
            assert!(json.keys().all(|key| row.contains_key(key)), "{row:?}");
            for (key, cell) in row {
                let expected = match json.get(key) {
                    // JSON leaves an unknown lag out.
                    None if key == "lag" => String::new(),
                    Some(Value::Null) => String::new(),
                    Some(Value::String(text)) => text.clone(),
                    Some(number) => number.to_string(),
                    None => panic!("{key} is not in JSON"),
                };
                assert_eq!(*cell, expected, "{key}");
            }
        }
    }

    #[test]
    fn run_without_intervals_has_a_header() {
        let mut written = Vec::new();
        write(&[], &mut written).unwrap();
        assert!(written.starts_with(b"start_s,phase,emitted,"));
        assert!(written.ends_with(b",end_to_end_latency_max_us\n"));
    }
}
