//! Findings: what limited a run, in words, from the numbers of its report.
//!
//! | id | cause |
//! |---|---|
//! | `falls_behind` | more readings are emitted than stored |
//! | `machine` | this process used nearly all cores |
//! | `generator` | readings are sent later than scheduled |
//! | `linger` | records wait for others of their batch before they are sent |
//! | `broker` | the broker takes long to acknowledge or to deliver |
//! | `fetch` | acknowledged records wait to be fetched |
//! | `connection_pool` | inserts wait for a connection to the store |
//! | `batch_wait` | records wait for others of their batch before they are stored |
//! | `store` | the store takes long to insert |
//! | `partition_skew` | one partition has most of the records, and is slower for it |
//! | `no_single_stage` | no stage takes most of the time |
//! | `tail` | the slowest records share a time, a partition, a vehicle or a stage |

mod rules;
mod skew;
mod tail;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use rules::findings;

/// What limited a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable name for programs.
    pub id: String,
    /// The finding in one sentence.
    pub message: String,
    /// Numbers of the report that it follows from.
    pub evidence: String,
    /// What to try; absent if no setting of convoy helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// How far the numbers support it.
    pub confidence: Confidence,
}

/// How far the numbers support a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// Most of the time, or of the readings, is explained by it.
    High,
    /// The largest of several causes.
    Medium,
}
