//! One trial of a search, and what it says about its load.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Least margin of a trial that missed a goal.
pub const LEAST_MISS: f64 = 0.1;

/// Share of the limit below which the median must stay in a trial that missed it by a pause alone.
const PAUSE_MEDIAN: f64 = 0.2;

/// Why a trial was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// At an unlimited rate: the most that the pipeline stores.
    Ceiling,
    /// To find a load on each side of the limit.
    Bracket,
    /// To come closer to the limit.
    Locate,
    /// A long one at the limit that was found.
    ConfirmLimit,
    /// A long one below the limit, whose load is published.
    Confirm,
}

impl fmt::Display for Purpose {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Ceiling => "ceiling",
            Self::Bracket => "bracket",
            Self::Locate => "locate",
            Self::ConfirmLimit => "confirm the limit",
            Self::Confirm => "confirm",
        })
    }
}

/// What a load must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// The end-to-end p99 is within its limit.
    EndToEndP99,
    /// The backlog does not grow.
    Backlog,
    /// Readings are sent when they are scheduled.
    PublishDelay,
    /// Every reading is stored once and unchanged.
    Audit,
    /// The pipeline reaches the end of the trial.
    Completion,
}

impl fmt::Display for Goal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::EndToEndP99 => "end-to-end p99 above its limit",
            Self::Backlog => "the backlog grows",
            Self::PublishDelay => "readings are sent late",
            Self::Audit => "readings are lost or changed",
            Self::Completion => "the pipeline fails",
        })
    }
}

/// What limits the pipeline at a load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// Stable name, such as `store`, `machine` or `generator`.
    pub id: String,
    /// In one sentence.
    pub message: String,
    /// Numbers that it follows from.
    pub evidence: String,
    /// What to try, if a setting helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// One trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// Number of vehicles.
    pub vehicles: u32,
    /// Why it was made.
    pub purpose: Purpose,
    /// Length of its measured part as planned, in seconds.
    pub planned_s: f64,
    /// Natural logarithm of p99 ÷ limit: above 0 if the load is too high. A goal other than p99 that
    /// is missed makes it positive.
    pub margin: f64,
    /// First goal that was missed.
    pub missed: Option<Goal>,
    /// Why the pipeline failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Whether the trial was ended early because the load is too high.
    pub stopped_early: bool,
    /// Whether it counts; the hypervisor took too much CPU time from one that does not.
    pub counted: bool,
    /// Records stored per second.
    pub throughput_records_per_second: Option<f64>,
    /// Median of the end-to-end latency.
    pub end_to_end_p50_us: Option<u64>,
    /// 99th percentile of the end-to-end latency.
    pub end_to_end_p99_us: Option<u64>,
    /// 99th percentile of the publish delay.
    pub publish_delay_p99_us: Option<u64>,
    /// Records by which the backlog grows each second.
    pub backlog_slope_records_per_second: Option<f64>,
    /// What limits the pipeline.
    pub binding: Option<Binding>,
    /// Whether this process used nearly all cores.
    pub cpu_bound: bool,
    /// Time that the trial took, preparation and audit included, in seconds.
    pub took_s: f64,
}

impl Probe {
    /// Returns whether the p99 missed its limit while most records were far below it and the backlog
    /// did not grow: something paused, such as the disk, and it may not be the load.
    pub fn paused(&self) -> bool {
        let (Some(p50), Some(p99)) = (self.end_to_end_p50_us, self.end_to_end_p99_us) else {
            return false;
        };
        let limit = p99 as f64 / self.margin.exp();
        self.missed == Some(Goal::EndToEndP99)
            && !self.stopped_early
            && (p50 as f64) < PAUSE_MEDIAN * limit
    }

    /// Returns whether the load held every goal for the whole trial.
    pub fn held(&self) -> bool {
        self.counted && self.missed.is_none() && !self.stopped_early && self.margin <= 0.0
    }
}
