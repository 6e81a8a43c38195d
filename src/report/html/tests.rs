use std::time::Duration;

use super::*;
use crate::measure::{Histogram, Interval, Stages};
use crate::report::sample;
use crate::report::summary::CpuPerRecord;
use crate::report::value::Status;

fn page(report: &Report, history: &History) -> String {
    let mut written = Vec::new();
    write(report, history, &mut written).unwrap();
    String::from_utf8(written).unwrap()
}

/// A run of seconds with records in each, and its latencies as they are written to `latency.hdr`.
fn run_of(seconds: u64) -> (Report, History) {
    let mut report = sample::report();
    let interval = report.intervals[0].clone();
    report.intervals = (0..seconds)
        .map(|second| Interval {
            start_s: second as f64,
            emitted: 950 + second % 90,
            ..interval.clone()
        })
        .collect();
    let mut log = LatencyLog::start(Vec::new(), 0).unwrap();
    for second in 0..seconds {
        let mut stages: Stages<Histogram> = Stages::default();
        for stage in Stage::ALL {
            for sample in 1..=20 {
                let elapsed = 1_000_000 * sample * (1 + second % 7);
                stages.get_mut(stage).record(0, elapsed);
            }
        }
        let start = Duration::from_secs(second);
        log.write(start, Duration::from_secs(1), &stages).unwrap();
    }
    (report, log.take_history())
}

fn charts_of(page: &str) -> Vec<&str> {
    let charts = page.split("<svg ").skip(1);
    charts
        .map(|it| it.split("</svg>").next().unwrap())
        .collect()
}

#[test]
fn page_holds_verdict_headline_and_every_chart() {
    let (report, history) = run_of(10);
    let page = page(&report, &history);
    let order = [
        "Verdict: clean (emitted 600, stored 600)",
        "49.9 records/s stored",
        "pipeline self-test",
        "End-to-end latency over time",
        "Latency by percentile",
        "Records per second",
        "Waiting records",
        "Where the time goes",
        "CPU time per record",
        "convoy simulate --max-end-to-end-p99 250ms",
    ];
    let places: Vec<_> = order.iter().map(|text| page.find(text)).collect();
    assert!(places.iter().all(Option::is_some), "{places:?}");
    assert!(places.is_sorted(), "{places:?}");
    assert_eq!(charts_of(&page).len(), 6);
}

#[test]
fn page_loads_nothing_and_charts_need_no_style() {
    let (report, history) = run_of(10);
    let page = page(&report, &history);
    let without_namespace = page.replace("http://www.w3.org/2000/svg", "");
    for absent in [
        "http://", "https://", "<link", "<img", "src=", "@import", "url(",
    ] {
        assert!(!without_namespace.contains(absent), "{absent}");
    }
    for chart in charts_of(&page) {
        assert!(!chart.contains("style="), "{chart}");
        assert!(!chart.contains("NaN") && !chart.contains("inf"), "{chart}");
    }
}

#[test]
fn page_of_ten_minutes_is_under_150_kb() {
    let (report, history) = run_of(600);
    let length = page(&report, &history).len();
    assert!(length < 150_000, "{length}");
}

#[test]
fn run_without_measurements_has_a_page_without_charts_of_latency() {
    let mut report = sample::report();
    report.status = Status::Interrupted;
    report.intervals.clear();
    report.summary.stages = Stages::default();
    report.cpu = CpuPerRecord::default();
    report.verdict = None;
    let page = page(&report, &History::default());
    assert!(page.contains("No verdict: the run was interrupted"));
    assert_eq!(charts_of(&page).len(), 0);
}

#[test]
fn texts_of_a_run_cannot_become_elements() {
    let mut report = sample::report();
    report.run.command = "convoy simulate --topic '<script>alert(1)</script>'".to_owned();
    report.warnings[0].message = "<b onclick=\"x\">".to_owned();
    let page = page(&report, &History::default());
    assert!(!page.contains("<script>alert"));
    assert!(!page.contains("<b onclick"));
}

#[test]
fn report_and_histograms_are_read_back_from_the_page() {
    let (report, history) = run_of(10);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("any-name.html");
    std::fs::write(&path, page(&report, &history)).unwrap();
    let read = crate::report::SavedReport::read(&path).unwrap();
    assert_eq!(read.report, report);
    for stage in Stage::ALL {
        let (found, expected) = (read.stages.get(stage), history.stages.get(stage));
        assert_eq!(found.values(), expected.values());
    }
}
