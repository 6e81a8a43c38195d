//! The load: what a fleet emits, and for how long.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::dataset::ReadOptions;
use crate::fleet::{self, Key, Shard};
use crate::load::{Arrival, Bound, Rate};
use crate::settings::serialize::{bound, optional_rate, rate, seconds, text};

/// What a fleet emits, and for how long.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LoadSettings {
    /// Number of vehicles, at least one.
    pub vehicles: u32,
    /// Readings per second and vehicle.
    #[serde(rename = "rate_per_second", serialize_with = "rate")]
    pub rate: Rate,
    /// Readings per second of the whole fleet; replaces `rate`.
    #[serde(
        rename = "total_rate_per_second",
        skip_serializing_if = "Option::is_none",
        serialize_with = "optional_rate"
    )]
    pub total_rate: Option<Rate>,
    #[serde(serialize_with = "text")]
    pub arrival: Arrival,
    /// Key of each message.
    #[serde(serialize_with = "text")]
    pub key: Key,
    /// File, topic folder, or folder of topic folders.
    pub dataset: PathBuf,
    /// How its files are read.
    #[serde(flatten)]
    pub read: ReadOptions,
    pub seed: u64,
    /// End of the measured part.
    #[serde(flatten, serialize_with = "bound")]
    pub bound: Bound,
    /// Load before measuring starts.
    #[serde(rename = "warmup_s", serialize_with = "seconds")]
    pub warmup: Duration,
}

impl LoadSettings {
    /// Returns the settings of the fleet, or of one shard of it, that emits this many rows.
    pub fn fleet(&self, rows: u64, shard: Option<Shard>) -> fleet::Settings {
        fleet::Settings {
            vehicles: self.vehicles,
            rate: self.rate,
            total_rate: self.total_rate,
            arrival: self.arrival,
            seed: self.seed,
            warm_up: self.warmup,
            bound: self.bound,
            rows,
            shard,
        }
    }

    /// Returns the readings per second of the whole fleet; `None` at an unlimited rate.
    pub fn target_rate(&self) -> Option<f64> {
        match (self.total_rate, self.rate) {
            (Some(Rate::Timed(total)), _) => Some(total.per_second()),
            (None, Rate::Timed(rate)) => Some(rate.per_second() * f64::from(self.vehicles)),
            (Some(Rate::Max), _) | (None, Rate::Max) => None,
        }
    }

    /// Returns the length of the emission, warm-up included; `None` if it depends on the pipeline.
    pub fn emission(&self) -> Option<Duration> {
        let measured = match self.bound {
            Bound::Duration(duration) => duration,
            Bound::Records(records) => {
                Duration::try_from_secs_f64(records as f64 / self.target_rate()?).ok()?
            }
            Bound::Rows => return None,
        };
        Some(self.warmup + measured)
    }
}
