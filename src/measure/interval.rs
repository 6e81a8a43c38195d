//! Counts and latencies of one second of a run.

use serde::{Deserialize, Serialize};

use crate::measure::histogram::IntervalLatency;
use crate::measure::stage::Stages;

/// Phase of a run in which a second began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntervalPhase {
    /// The fleet emitted, and nothing was measured.
    WarmUp,
    /// The fleet emitted, and everything was measured.
    Run,
    /// The fleet had stopped; the last records were sent and stored.
    Drain,
}

impl IntervalPhase {
    /// Returns its name in JSON and CSV.
    pub fn name(self) -> &'static str {
        match self {
            Self::WarmUp => "warm_up",
            Self::Run => "run",
            Self::Drain => "drain",
        }
    }
}

/// One second of the run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Start, in seconds after the run's epoch.
    pub start_s: f64,
    /// Phase at the start; unknown in reports of earlier versions.
    #[serde(default)]
    pub phase: Option<IntervalPhase>,
    /// Readings emitted.
    pub emitted: u64,
    /// Records acknowledged by the broker.
    pub acked: u64,
    /// Records fetched.
    pub fetched: u64,
    /// Records stored.
    pub stored: u64,
    /// Readings emitted but not stored at the end of the second.
    pub backlog: u64,
    /// Records of the owned partitions that are not stored at the end of the second; absent except in
    /// reports of consumers, and while unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<u64>,
    /// Latencies of the records that ended a stage in this second: of measured ones, and end to end
    /// of those of the warm-up too. Keys are those of [`Interval::latencies`].
    #[serde(flatten, with = "flat")]
    pub stages: Stages<IntervalLatency>,
}

impl Interval {
    /// Returns the latencies with their keys in JSON and CSV, such as `store_latency_p99_us`.
    pub fn latencies(&self) -> Vec<(String, Option<u64>)> {
        flat::keyed(&self.stages)
    }
}

/// Latencies as keys beside the counts, so that an interval is one row of a table.
mod flat {
    use std::collections::BTreeMap;

    use serde::de::Error as _;
    use serde::ser::SerializeMap;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::measure::histogram::IntervalLatency;
    use crate::measure::stage::{Stage, Stages};

    pub(super) fn keyed(stages: &Stages<IntervalLatency>) -> Vec<(String, Option<u64>)> {
        let of_stage = |stage: Stage| {
            let values = stages.get(stage).values();
            values.map(|(name, value)| (format!("{}_{name}", stage.key()), value))
        };
        Stage::ALL.into_iter().flat_map(of_stage).collect()
    }

    pub(super) fn serialize<S: Serializer>(
        stages: &Stages<IntervalLatency>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in keyed(stages) {
            map.serialize_entry(&key, &value)?;
        }
        map.end()
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Stages<IntervalLatency>, D::Error> {
        let mut found = BTreeMap::<String, serde_json::Value>::deserialize(deserializer)?;
        let mut stages = Stages::<IntervalLatency>::default();
        for stage in Stage::ALL {
            let mut value = |name: &str| {
                let value = found.remove(&format!("{}_{name}", stage.key()));
                serde_json::from_value(value.unwrap_or_default()).map_err(D::Error::custom)
            };
            *stages.get_mut(stage) = IntervalLatency {
                p50_us: value("p50_us")?,
                p90_us: value("p90_us")?,
                p99_us: value("p99_us")?,
                max_us: value("max_us")?,
            };
        }
        Ok(stages)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn interval_is_read_back_and_unknown_latencies_are_null() {
        let mut interval = Interval {
            start_s: 3.0,
            phase: Some(IntervalPhase::Drain),
            stored: 2,
            ..Interval::default()
        };
        interval.stages.store_latency.p99_us = Some(71);
        let written = serde_json::to_value(&interval).unwrap();
        assert_eq!(written["store_latency_p99_us"], 71);
        assert_eq!(written["end_to_end_latency_p99_us"], Value::Null);
        let read: Interval = serde_json::from_value(written).unwrap();
        assert_eq!(read, interval);
    }

    #[test]
    fn interval_of_an_earlier_version_is_read() {
        let read: Interval = serde_json::from_value(json!({
            "start_s": 0.0, "emitted": 1, "acked": 1, "fetched": 1, "stored": 1, "backlog": 0,
            "end_to_end_latency_p50_us": 7, "end_to_end_latency_p99_us": 8,
            "end_to_end_latency_max_us": 9,
        }))
        .unwrap();
        assert_eq!(read.phase, None);
        assert_eq!(read.stages.end_to_end_latency.p99_us, Some(8));
        assert_eq!(read.stages.store_latency, IntervalLatency::default());
    }
}
