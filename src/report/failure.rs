//! Why a report fails its run, for stderr: the report itself may go to a file.

use crate::report::text;
use crate::report::value::{Report, Status};

impl Report {
    /// Returns one sentence per reason for which the report did not pass.
    pub fn failures(&self) -> Vec<String> {
        let mut reasons = self.verdict_failures();
        let thresholds = self.thresholds.iter().filter(|it| !it.passed);
        reasons.extend(thresholds.map(|threshold| {
            let (limit, actual) = text::threshold_outcome(threshold);
            format!("{limit}: failed {actual}")
        }));
        reasons
    }

    /// Returns the reasons other than thresholds.
    pub(super) fn verdict_failures(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if let Some(produced) = &self.produced {
            let lost = [
                ("not acknowledged", produced.not_acked),
                ("dead-lettered", produced.dead_lettered),
            ];
            reasons.extend(sentence("the broker did not take every reading", &lost));
        }
        let audited = self.verdict.as_ref().filter(|_| self.has_verdict());
        let failed = audited.filter(|_| !self.verdict_holds());
        if let Some(verdict) = failed
            && self.status != Status::Interrupted
        {
            let counts = text::verdict_counts(verdict);
            // Emitted and stored are no losses.
            let lost = &counts[2..];
            let reason = sentence("the verdict failed", lost);
            reasons.push(reason.unwrap_or_else(|| "the verdict failed".to_owned()));
        } else if self.status == Status::Invalid && reasons.is_empty() {
            reasons.push("the run is invalid".to_owned());
        }
        reasons
    }
}

fn sentence(subject: &str, counts: &[(&str, u64)]) -> Option<String> {
    let counts = counts.iter().filter(|(_, count)| *count > 0);
    let counts: Vec<String> = counts
        .map(|(name, count)| format!("{name} {}", crate::text::quantity::count(*count)))
        .collect();
    (!counts.is_empty()).then(|| format!("{subject}: {}", counts.join(" · ")))
}

#[cfg(test)]
mod tests {
    use crate::report::sample;
    use crate::report::summary::Summary;
    use crate::report::threshold::ThresholdName;
    use crate::report::value::Status;

    #[test]
    fn report_that_passed_has_no_failures() {
        let none: Vec<String> = Vec::new();
        assert_eq!(sample::report().failures(), none);
        assert_eq!(sample::producer(0, 1).failures(), none);
        assert_eq!(sample::consumer().failures(), none);
    }

    #[test]
    fn failed_verdict_and_thresholds_are_named_with_their_numbers() {
        let mut report = sample::report();
        report.verdict.as_mut().unwrap().missing = 3;
        report.status = Status::Invalid;
        let limit = ThresholdName::MaxEndToEndP99Us;
        report.thresholds = vec![
            limit.check(1_000.0, &report.summary, report.verdict.as_ref()),
            limit.check(1_000.0, &Summary::default(), None),
        ];
        assert_eq!(
            report.failures(),
            [
                "the verdict failed: missing 3",
                "--max-end-to-end-p99 1.00 ms: failed with 20.9 ms",
                "--max-end-to-end-p99 1.00 ms: failed because nothing was measured",
            ]
        );
    }

    #[test]
    fn unacknowledged_readings_of_a_producer_are_a_failure() {
        let mut report = sample::producer(0, 1);
        report.produced.as_mut().unwrap().not_acked = 2;
        assert_eq!(
            report.failures(),
            ["the broker did not take every reading: not acknowledged 2"]
        );
    }
}
