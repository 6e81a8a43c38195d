//! The five stages between the five stamps of a record.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::measure::histogram::{Histogram, StageSummary};

/// Time between two stamps of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Intended → sent: how far the generator is behind its schedule.
    PublishDelay,
    /// Sent → acked: broker write path, linger included.
    PublishLatency,
    /// Acked → fetched: broker read path; negative if the fetch precedes the ack.
    FetchLatency,
    /// Fetched → stored: decode, wait for the batch, insert until acknowledged as durable.
    StoreLatency,
    /// Intended → stored: latency of the whole pipeline.
    EndToEndLatency,
}

impl Stage {
    /// Every stage, in pipeline order.
    pub const ALL: [Self; 5] = [
        Self::PublishDelay,
        Self::PublishLatency,
        Self::FetchLatency,
        Self::StoreLatency,
        Self::EndToEndLatency,
    ];

    /// Returns its key in JSON, CSV and logs.
    pub fn key(self) -> &'static str {
        match self {
            Self::PublishDelay => "publish_delay",
            Self::PublishLatency => "publish_latency",
            Self::FetchLatency => "fetch_latency",
            Self::StoreLatency => "store_latency",
            Self::EndToEndLatency => "end_to_end_latency",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::PublishDelay => "publish delay",
            Self::PublishLatency => "publish latency",
            Self::FetchLatency => "fetch latency",
            Self::StoreLatency => "store latency",
            Self::EndToEndLatency => "end-to-end latency",
        })
    }
}

/// One value per stage. Field names are the report's JSON keys.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stages<T> {
    /// Intended → sent.
    pub publish_delay: T,
    /// Sent → acked.
    pub publish_latency: T,
    /// Acked → fetched.
    pub fetch_latency: T,
    /// Fetched → stored.
    pub store_latency: T,
    /// Intended → stored.
    pub end_to_end_latency: T,
}

impl<T> Stages<T> {
    /// Returns the value of one stage.
    pub fn get(&self, stage: Stage) -> &T {
        match stage {
            Stage::PublishDelay => &self.publish_delay,
            Stage::PublishLatency => &self.publish_latency,
            Stage::FetchLatency => &self.fetch_latency,
            Stage::StoreLatency => &self.store_latency,
            Stage::EndToEndLatency => &self.end_to_end_latency,
        }
    }

    /// Returns a mutable reference to the value of one stage.
    pub fn get_mut(&mut self, stage: Stage) -> &mut T {
        match stage {
            Stage::PublishDelay => &mut self.publish_delay,
            Stage::PublishLatency => &mut self.publish_latency,
            Stage::FetchLatency => &mut self.fetch_latency,
            Stage::StoreLatency => &mut self.store_latency,
            Stage::EndToEndLatency => &mut self.end_to_end_latency,
        }
    }

    /// Converts the value of each stage.
    pub fn map<U>(&self, convert: impl Fn(&T) -> U) -> Stages<U> {
        Stages {
            publish_delay: convert(&self.publish_delay),
            publish_latency: convert(&self.publish_latency),
            fetch_latency: convert(&self.fetch_latency),
            store_latency: convert(&self.store_latency),
            end_to_end_latency: convert(&self.end_to_end_latency),
        }
    }
}

impl Stages<Histogram> {
    /// Adds another set of histograms to this one.
    pub fn merge(&mut self, other: &Self) {
        for stage in Stage::ALL {
            self.get_mut(stage).merge(other.get(stage));
        }
    }

    /// Empties every histogram, keeping its memory.
    pub fn clear(&mut self) {
        for stage in Stage::ALL {
            self.get_mut(stage).clear();
        }
    }

    /// Returns the percentiles of each stage.
    pub fn summary(&self) -> Stages<StageSummary> {
        self.map(Histogram::summary)
    }
}
