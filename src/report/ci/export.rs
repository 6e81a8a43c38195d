//! JSON of services that follow figures over time.

use serde_json::{Map, Value, json};

use crate::measure::Bounds;
use crate::report::value::Report;

/// A figure of a report.
struct Figure {
    name: &'static str,
    unit: &'static str,
    value: Option<f64>,
    /// Bounds of the value within the run, if they are known.
    bounds: Option<[f64; 2]>,
    /// Whether a higher value is better.
    higher_is_better: bool,
}

/// Returns the figures of a report. Latencies of a run without a schedule mean nothing and are
/// absent, as are values that are not known.
fn figures(report: &Report) -> impl Iterator<Item = (Figure, f64)> {
    let summary = &report.summary;
    let latency = &summary.stages.end_to_end_latency;
    let scheduled = !report.unlimited_rate();
    let milliseconds = |us: Option<u64>| us.filter(|_| scheduled).map(|us| us as f64 / 1e3);
    let lower = |name, unit, value| Figure {
        name,
        unit,
        value,
        bounds: None,
        higher_is_better: false,
    };
    let percentile = |name, us, bounds: Option<Bounds>| Figure {
        bounds: bounds.map(|it| [it.low_us, it.high_us].map(|us| us as f64 / 1e3)),
        ..lower(name, "ms", milliseconds(us))
    };
    let figures = [
        Figure {
            name: "throughput",
            unit: "records/s",
            value: summary.throughput_records_per_second,
            bounds: None,
            higher_is_better: true,
        },
        percentile("end_to_end_p50", latency.p50_us, latency.bounds.p50),
        percentile("end_to_end_p99", latency.p99_us, latency.bounds.p99),
        lower("cpu_per_record", "µs", report.cpu.total_us()),
        lower(
            "peak_memory",
            "MiB",
            summary
                .peak_resident_bytes
                .map(|bytes| bytes as f64 / f64::from(1 << 20)),
        ),
    ];
    figures
        .into_iter()
        .filter_map(|figure| figure.value.map(|value| (figure, value)))
}

/// Returns the reports in Bencher's metric format: benchmark → measure → value.
///
/// Several reports of one benchmark give the mean, with the lowest and the highest value. A
/// percentile of a single report has its bounds within the run.
pub fn bencher_metric_format(benchmarks: &[(String, Vec<Report>)]) -> Value {
    let benchmarks = benchmarks.iter().map(|(name, reports)| {
        let mut values: Vec<(Figure, Vec<f64>)> = Vec::new();
        for (figure, value) in reports.iter().flat_map(figures) {
            match values.iter_mut().find(|(it, _)| it.name == figure.name) {
                Some((_, values)) => values.push(value),
                None => values.push((figure, vec![value])),
            }
        }
        let measures = values.into_iter().map(|(figure, values)| {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let mut metric = json!({"value": mean});
            let bounds = match values.as_slice() {
                [_] => figure.bounds,
                several => {
                    let lowest = several.iter().copied().fold(f64::MAX, f64::min);
                    Some([lowest, several.iter().copied().fold(f64::MIN, f64::max)])
                }
            };
            if let Some([low, high]) = bounds {
                metric["lower_value"] = json!(low);
                metric["upper_value"] = json!(high);
            }
            (figure.name.to_owned(), metric)
        });
        (name.clone(), Value::Object(measures.collect()))
    });
    Value::Object(benchmarks.collect::<Map<String, Value>>())
}

/// Returns the reports for `github-action-benchmark`: the figures of which smaller is better, or
/// those of which bigger is better, because the action takes one kind per file.
pub fn action_benchmark(benchmarks: &[(String, Vec<Report>)], bigger_is_better: bool) -> Value {
    let entries = benchmarks.iter().flat_map(|(name, reports)| {
        let found = reports.iter().flat_map(move |report| {
            figures(report)
                .filter(move |(figure, _)| figure.higher_is_better == bigger_is_better)
                .map(move |(figure, value)| {
                    let mut entry = json!({
                        "name": format!("{name}/{}", figure.name),
                        "unit": figure.unit,
                        "value": value,
                        "extra": format!("run {}", report.run.id),
                    });
                    if let Some([low, high]) = figure.bounds {
                        entry["range"] = json!(format!("{low}–{high}"));
                    }
                    entry
                })
        });
        found.collect::<Vec<_>>()
    });
    Value::Array(entries.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn named(reports: Vec<Report>) -> Vec<(String, Vec<Report>)> {
        vec![("simulate".to_owned(), reports)]
    }

    #[test]
    fn bencher_gets_the_mean_and_the_range_of_several_runs() {
        let (mut one, mut other) = (sample::report(), sample::report());
        one.summary.throughput_records_per_second = Some(40.0);
        other.summary.throughput_records_per_second = Some(60.0);
        let exported = bencher_metric_format(&named(vec![one, other]));
        let throughput = &exported["simulate"]["throughput"];
        assert_eq!(
            *throughput,
            json!({"value": 50.0, "lower_value": 40.0, "upper_value": 60.0})
        );
    }

    #[test]
    fn percentiles_of_a_single_run_have_their_bounds() {
        let mut report = sample::report();
        let latency = &mut report.summary.stages.end_to_end_latency;
        latency.p99_us = Some(41_800);
        latency.bounds.p99 = Some(Bounds {
            low_us: 39_100,
            high_us: 46_000,
            effective_count: 900,
        });
        let exported = bencher_metric_format(&named(vec![report.clone()]));
        assert_eq!(
            exported["simulate"]["end_to_end_p99"],
            json!({"value": 41.8, "lower_value": 39.1, "upper_value": 46.0})
        );
        assert_eq!(exported["simulate"]["throughput"].get("lower_value"), None);
        let entries = action_benchmark(&named(vec![report]), false);
        let ranges: Vec<_> = entries
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|it| it.get("range"))
            .collect();
        assert_eq!(ranges, [&json!("39.1–46")]);
    }

    #[test]
    fn unknown_values_are_absent() {
        let mut report = sample::report();
        report.summary.throughput_records_per_second = None;
        report.summary.peak_resident_bytes = None;
        let exported = bencher_metric_format(&named(vec![report]));
        assert!(exported["simulate"].get("throughput").is_none());
        assert!(exported["simulate"].get("peak_memory").is_none());
        assert!(exported["simulate"].get("end_to_end_p99").is_some());
    }

    #[test]
    fn action_takes_one_direction_per_file() {
        let reports = named(vec![sample::report()]);
        let bigger = action_benchmark(&reports, true);
        assert_eq!(bigger.as_array().unwrap().len(), 1);
        assert_eq!(bigger[0]["name"], "simulate/throughput");
        let smaller = action_benchmark(&reports, false);
        let names: Vec<_> = smaller
            .as_array()
            .unwrap()
            .iter()
            .map(|it| &it["name"])
            .collect();
        assert!(
            names.contains(&&json!("simulate/end_to_end_p99")),
            "{names:?}"
        );
    }
}
