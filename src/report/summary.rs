//! Measured results of a run: throughput, latencies and CPU time.

use serde::{Deserialize, Serialize};

use crate::measure::{StageSummary, Stages};

/// Measurements without the warm-up.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Readings emitted.
    pub readings_emitted: u64,
    /// Records stored.
    pub records_stored: u64,
    /// Records stored ÷ duration; `None` if nothing was measured.
    pub throughput_records_per_second: Option<f64>,
    /// Payload bytes stored ÷ duration; `None` if nothing was measured.
    pub throughput_bytes_per_second: Option<f64>,
    /// Last stored − first intended; of a consumer, last stored − first fetched. `None` if nothing
    /// was measured.
    pub duration_s: Option<f64>,
    /// From the start of the process to its first durable write; absent if nothing was stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup_to_first_stored_ms: Option<f64>,
    /// Peak resident memory of this process, if the operating system reports it.
    pub peak_resident_bytes: Option<u64>,
    /// Distribution of each stage over all stored records.
    pub stages: Stages<StageSummary>,
}

/// CPU time per stored record by role; `None` for a role that did not run in this process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CpuPerRecord {
    /// Pacing and encoding.
    pub generator_us: Option<f64>,
    /// Batching and publishing.
    pub producer_us: Option<f64>,
    /// Fetching, decoding and writing.
    pub consumer_us: Option<f64>,
    /// Embedded broker.
    pub broker_us: Option<f64>,
    /// Embedded store.
    pub store_us: Option<f64>,
    /// Live page and dashboard; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_us: Option<f64>,
}

impl CpuPerRecord {
    /// Returns the sum of all roles that ran in this process; `None` if none is known.
    pub fn total_us(&self) -> Option<f64> {
        let roles = [
            self.generator_us,
            self.producer_us,
            self.consumer_us,
            self.broker_us,
            self.store_us,
        ];
        let known: Vec<f64> = roles.into_iter().flatten().collect();
        (!known.is_empty()).then(|| known.iter().sum())
    }
}
