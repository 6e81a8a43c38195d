//! JUnit XML: one test case for the verdict, and one per threshold.

use std::io::{self, Write};
use std::time::Duration;

use quick_junit::{
    NonSuccessKind, Property, Report as Suites, TestCase, TestCaseStatus, TestSuite,
};

use crate::report::text;
use crate::report::value::Report;
use crate::text::Page;

/// Writes a report as JUnit XML. The text form is its standard output.
pub fn write(report: &Report, output: impl Write) -> io::Result<()> {
    let mut suite = TestSuite::new("convoy");
    if let Ok(started) = chrono::DateTime::parse_from_rfc3339(&report.run.started_at) {
        suite.set_timestamp(started);
    }
    suite.add_property(Property::new("run", &report.run.id));
    suite.add_property(Property::new("version", &report.run.version));
    suite.add_property(Property::new("command", &report.run.command));
    let mut text = Vec::new();
    text::write(report, &[], &Page::default(), &mut text)?;
    suite.set_system_out(String::from_utf8_lossy(&text));
    let mut verdict = case("verdict", &report.verdict_failures());
    if let Some(seconds) = report.summary.duration_s {
        verdict.set_time(Duration::try_from_secs_f64(seconds).unwrap_or_default());
    }
    suite.add_test_case(verdict);
    for threshold in &report.thresholds {
        let (limit, actual) = text::threshold_outcome(threshold);
        let failures: Vec<String> = (!threshold.passed)
            .then(|| format!("{limit}: failed {actual}"))
            .into_iter()
            .collect();
        suite.add_test_case(case(&limit, &failures));
    }
    finish(suite, output)
}

/// Writes the failure of a command that ended without a report.
pub fn write_failure(message: &str, output: impl Write) -> io::Result<()> {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_message(message);
    let mut suite = TestSuite::new("convoy");
    suite.add_test_case(TestCase::new("verdict", status));
    finish(suite, output)
}

fn case(name: &str, failures: &[String]) -> TestCase {
    let status = if failures.is_empty() {
        TestCaseStatus::success()
    } else {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status.set_message(failures.join("; "));
        status
    };
    let mut case = TestCase::new(name, status);
    case.set_classname("convoy");
    case
}

fn finish(suite: TestSuite, output: impl Write) -> io::Result<()> {
    let mut suites = Suites::new("convoy");
    suites.add_test_suite(suite);
    suites.serialize(output).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::report::summary::Summary;
    use crate::report::threshold::ThresholdName;
    use crate::report::value::Status;

    fn suites(report: &Report) -> Suites {
        let mut written = Vec::new();
        write(report, &mut written).unwrap();
        Suites::deserialize_from_str(std::str::from_utf8(&written).unwrap()).unwrap()
    }

    #[test]
    fn verdict_and_each_threshold_are_test_cases() {
        let passed = suites(&sample::report());
        assert_eq!((passed.tests, passed.failures, passed.errors), (2, 0, 0));
        let names: Vec<_> = passed.test_suites[0]
            .test_cases
            .iter()
            .map(|case| case.name.as_str().to_owned())
            .collect();
        assert_eq!(names, ["verdict", "--max-end-to-end-p99 250 ms"]);
        let text = passed.test_suites[0].system_out.as_ref().unwrap();
        assert!(text.as_str().contains("verdict"), "{text:?}");
    }

    #[test]
    fn failed_verdict_and_missed_threshold_are_failures() {
        let mut report = sample::report();
        report.verdict.as_mut().unwrap().missing = 3;
        report.status = Status::Invalid;
        let limit = ThresholdName::MaxEndToEndP99Us;
        report.thresholds = vec![limit.check(1_000.0, &Summary::default(), None)];
        report.run.command = "convoy simulate --topic 'a\u{1}<&\">'".to_owned();
        let failed = suites(&report);
        assert_eq!((failed.tests, failed.failures), (2, 2));
    }

    #[test]
    fn command_without_a_report_is_an_error() {
        let mut written = Vec::new();
        write_failure("the broker did not answer", &mut written).unwrap();
        let failed = Suites::deserialize_from_str(std::str::from_utf8(&written).unwrap()).unwrap();
        assert_eq!((failed.tests, failed.errors), (1, 1));
    }
}
