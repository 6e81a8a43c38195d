//! JSON form, for programs.

use std::io::{self, Write};

use crate::report::value::Report;

/// Writes a report as indented JSON with a final newline.
pub fn write(report: &Report, mut output: impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut output, report)?;
    output.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Value, json};

    use super::*;
    use crate::measure::{Bounds, Interval, Outage, Server, Stages};
    use crate::report::sample;

    fn fixture(name: &str) -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fixtures")
            .join(name);
        std::fs::read_to_string(path).unwrap()
    }

    fn schema() -> jsonschema::Validator {
        let schema: Value = serde_json::from_str(&fixture("report.schema.json")).unwrap();
        jsonschema::options()
            .should_validate_formats(true)
            .build(&schema)
            .unwrap()
    }

    fn errors(report: &Value) -> Vec<String> {
        schema()
            .iter_errors(report)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect()
    }

    #[test]
    fn full_report_satisfies_the_published_schema() {
        let report = serde_json::to_value(sample::report()).unwrap();
        assert_eq!(errors(&report), Vec::<String>::new());
    }

    #[test]
    fn bounds_satisfy_the_schema_and_are_read_back() {
        let mut report = sample::report();
        report.summary.stages.store_latency.bounds.p99 = Some(Bounds {
            low_us: 13_100,
            high_us: 15_200,
            effective_count: 400,
        });
        let written = serde_json::to_value(&report).unwrap();
        assert_eq!(errors(&written), Vec::<String>::new());
        assert_eq!(serde_json::from_value::<Report>(written).unwrap(), report);
    }

    #[test]
    fn schema_rejects_unknown_and_missing_keys() {
        let mut report = serde_json::to_value(sample::report()).unwrap();
        report["summary"]["throughput"] = json!(1);
        report["verdict"].as_object_mut().unwrap().remove("missing");
        assert_eq!(errors(&report).len(), 2);
    }

    #[test]
    fn counters_of_another_version_do_not_make_a_report_unreadable() {
        let mut report = serde_json::to_value(sample::report()).unwrap();
        report["counters"] = json!({"stored": 600, "batches_published": 180});
        let read: Report = serde_json::from_value(report).unwrap();
        assert_eq!((read.counters.stored, read.counters.acked), (600, 0));
    }

    #[test]
    fn report_of_an_outage_in_which_nothing_was_stored_satisfies_the_schema() {
        let mut report = sample::report();
        report.outages = vec![Outage {
            server: Server::Store,
            from_s: 1.0,
            to_s: 3.0,
            failed_requests: 0,
        }];
        report.intervals[1] = Interval::default();
        report.summary.stages = Stages::default();
        let report = serde_json::to_value(report).unwrap();
        assert_eq!(errors(&report), Vec::<String>::new());
    }

    /// Keys that the first reports did not have.
    #[test]
    fn report_without_later_keys_is_read() {
        let mut report: Value = serde_json::from_str(&fixture("report.v1.json")).unwrap();
        for stage in report["summary"]["stages"]
            .as_object_mut()
            .unwrap()
            .values_mut()
        {
            let stage = stage.as_object_mut().unwrap();
            stage.retain(|key, _| !["min_us", "mean_us", "p95_us"].contains(&key.as_str()));
        }
        for interval in report["intervals"].as_array_mut().unwrap() {
            let interval = interval.as_object_mut().unwrap();
            interval.retain(|key, _| key != "phase" && !key.ends_with("p90_us"));
        }
        let read: Report = serde_json::from_value(report).unwrap();
        assert_eq!(read.summary.stages.store_latency.p95_us, None);
        assert_eq!(read.intervals[0].stages.store_latency.p99_us, Some(14_700));
    }

    #[test]
    fn report_of_format_version_1_is_read_and_written_unchanged() {
        let golden = fixture("report.v1.json");
        let read: Report = serde_json::from_str(&golden).unwrap();
        assert_eq!(read, sample::report());
        let mut written = Vec::new();
        write(&read, &mut written).unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), golden);
    }
}
