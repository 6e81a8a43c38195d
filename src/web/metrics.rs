//! Metrics in the text format of Prometheus.

use std::fmt::{self, Write as _};

/// Kind of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number that only grows; its name ends in `_total`.
    Counter,
    /// A number that grows and shrinks.
    Gauge,
    /// Counts of values by upper bound.
    Histogram,
}

/// Metrics under construction.
#[derive(Debug, Default)]
pub struct Metrics {
    text: String,
}

impl Metrics {
    /// Starts a metric. Its samples follow.
    pub fn metric(&mut self, kind: Kind, name: &str, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// Adds a sample.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl fmt::Display) {
        self.text.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            let start = if index == 0 { '{' } else { ',' };
            let text = text
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            let _ = write!(self.text, "{start}{label}=\"{text}\"");
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.text, "{end} {value}");
    }

    /// Adds a metric with one sample.
    pub fn single(&mut self, kind: Kind, name: &str, help: &str, value: impl fmt::Display) {
        self.metric(kind, name, help);
        self.sample(name, &[], value);
    }

    /// Returns the text.
    pub fn finish(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_quoted_and_every_metric_has_help_and_type() {
        let mut metrics = Metrics::default();
        metrics.single(Kind::Gauge, "convoy_backlog_records", "Waiting.", 3);
        metrics.metric(Kind::Counter, "convoy_stored_records_total", "Stored.");
        let labels = [("topic", "a\"b\\c\nd"), ("partition", "0")];
        metrics.sample("convoy_stored_records_total", &labels, 1.5);
        assert_eq!(
            metrics.finish(),
            "# HELP convoy_backlog_records Waiting.\n# TYPE convoy_backlog_records gauge\n\
             convoy_backlog_records 3\n\
             # HELP convoy_stored_records_total Stored.\n# TYPE convoy_stored_records_total counter\n\
             convoy_stored_records_total{topic=\"a\\\"b\\\\c\\nd\",partition=\"0\"} 1.5\n"
        );
    }
}
