//! Settings of topics: names, permitted values and defaults, as in Kafka.
//!
//! # References
//!
//! - <https://kafka.apache.org/documentation/#topicconfigs>

use std::collections::BTreeMap;

use crate::settings::Settings;

/// Settings of one topic by Kafka's names, without those at their defaults.
pub type Overrides = BTreeMap<String, String>;

/// A setting of topics.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    pub name: &'static str,
    pub kind: Kind,
    default: Default,
}

/// The values that a setting permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Boolean,
    /// A 32-bit number with this minimum.
    Int(i64),
    /// A 64-bit number with this minimum.
    Long(i64),
    /// A decimal between 0 and 1.
    Ratio,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Some of these words, separated by commas.
    List(&'static [&'static str]),
}

#[derive(Debug, Clone, Copy)]
enum Default {
    Fixed(&'static str),
    SegmentBytes,
    MaxBatchBytes,
}

const RETENTION_MS: &str = "retention.ms";
const RETENTION_BYTES: &str = "retention.bytes";
const SEGMENT_BYTES: &str = "segment.bytes";
const MAX_MESSAGE_BYTES: &str = "max.message.bytes";
const CLEANUP_POLICY: &str = "cleanup.policy";
const MIN_INSYNC_REPLICAS: &str = "min.insync.replicas";
const TIMESTAMP_TYPE: &str = "message.timestamp.type";
const TIMESTAMP_AFTER_MAX_MS: &str = "message.timestamp.after.max.ms";
const TIMESTAMP_BEFORE_MAX_MS: &str = "message.timestamp.before.max.ms";

const COMPACT: &str = "compact";
const DELETE: &str = "delete";
const LOG_APPEND_TIME: &str = "LogAppendTime";

/// Smaller segments would only cost files.
const MIN_SEGMENT_BYTES: i64 = 1_024;

/// All settings. The first five have an effect; the others are stored for clients that set them,
/// with the values that one broker without replication and compaction can honour.
const KNOWN: &[Known] = &[
    known(CLEANUP_POLICY, Kind::List(&[COMPACT, DELETE]), DELETE),
    Known {
        name: MAX_MESSAGE_BYTES,
        kind: Kind::Int(0),
        default: Default::MaxBatchBytes,
    },
    known(RETENTION_BYTES, Kind::Long(-1), "-1"),
    known(RETENTION_MS, Kind::Long(-1), "604800000"),
    Known {
        name: SEGMENT_BYTES,
        kind: Kind::Int(MIN_SEGMENT_BYTES),
        default: Default::SegmentBytes,
    },
    known("compression.type", Kind::Choice(&["producer"]), "producer"),
    known("delete.retention.ms", Kind::Long(0), "86400000"),
    known("file.delete.delay.ms", Kind::Long(0), "60000"),
    known("flush.messages", Kind::Long(1), "9223372036854775807"),
    known("flush.ms", Kind::Long(0), "9223372036854775807"),
    known("index.interval.bytes", Kind::Int(0), "4096"),
    known(
        "max.compaction.lag.ms",
        Kind::Long(1),
        "9223372036854775807",
    ),
    known(TIMESTAMP_AFTER_MAX_MS, Kind::Long(0), "3600000"),
    known(
        TIMESTAMP_BEFORE_MAX_MS,
        Kind::Long(0),
        "9223372036854775807",
    ),
    known(
        TIMESTAMP_TYPE,
        Kind::Choice(&["CreateTime", LOG_APPEND_TIME]),
        "CreateTime",
    ),
    known("min.cleanable.dirty.ratio", Kind::Ratio, "0.5"),
    known("min.compaction.lag.ms", Kind::Long(0), "0"),
    known(MIN_INSYNC_REPLICAS, Kind::Int(1), "1"),
    known("preallocate", Kind::Boolean, "false"),
    known("segment.index.bytes", Kind::Int(4), "10485760"),
    known("segment.jitter.ms", Kind::Long(0), "0"),
    known("segment.ms", Kind::Long(1), "604800000"),
    known("unclean.leader.election.enable", Kind::Boolean, "false"),
];

const fn known(name: &'static str, kind: Kind, default: &'static str) -> Known {
    Known {
        name,
        kind,
        default: Default::Fixed(default),
    }
}

/// A setting cannot be changed as requested.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("`{name}` is not a setting of topics")]
    Unknown { name: String },
    #[error("invalid value `{value}` for `{name}`")]
    Value { name: String, value: String },
    /// The operation is unknown, or the setting is not a list.
    #[error("`{name}` does not support operation {operation}")]
    Operation { name: String, operation: i8 },
}

/// The settings of a topic that have an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicConfig {
    /// Bytes after which a partition starts a new segment.
    pub segment_bytes: u64,
    pub max_batch_bytes: usize,
    pub retention: Retention,
    /// Whether each record needs a key: the topic is compacted.
    pub key_required: bool,
    pub timestamps: Timestamps,
    /// Replicas that must have a record before it is acknowledged to all.
    pub min_insync_replicas: u64,
}

/// The timestamps that a topic takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timestamps {
    /// Those of the producers, if they are at most so many milliseconds from the broker's time.
    Create { before: u64, after: u64 },
    /// The broker sets them.
    LogAppend,
}

/// Limits on the age and size of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Milliseconds after which a segment is removed; `None` for never.
    pub milliseconds: Option<u64>,
    /// Bytes above which the oldest segments are removed; `None` for no limit.
    pub bytes: Option<u64>,
}

impl TopicConfig {
    /// Combines the settings of a topic with those of the broker.
    pub fn new(overrides: &Overrides, settings: &Settings) -> Self {
        let number = |name: &str| {
            let known = find(name).ok()?;
            let value = overrides.get(name).cloned();
            let value = value.unwrap_or_else(|| known.default_value(settings));
            value.trim().parse::<u64>().ok()
        };
        let policy = overrides.get(CLEANUP_POLICY);
        let has_policy = |wanted| policy.is_some_and(|words| words.contains(wanted));
        let compacted = has_policy(COMPACT);
        let keeps_all = policy.is_some() && !has_policy(DELETE);
        let distance = |name| number(name).unwrap_or(u64::MAX);
        let timestamps = match overrides.get(TIMESTAMP_TYPE).map(|value| value.trim()) {
            Some(LOG_APPEND_TIME) => Timestamps::LogAppend,
            _ => Timestamps::Create {
                before: distance(TIMESTAMP_BEFORE_MAX_MS),
                after: distance(TIMESTAMP_AFTER_MAX_MS),
            },
        };
        Self {
            segment_bytes: number(SEGMENT_BYTES).unwrap_or(settings.segment_bytes),
            max_batch_bytes: number(MAX_MESSAGE_BYTES)
                .and_then(|bytes| usize::try_from(bytes).ok())
                .unwrap_or(settings.max_batch_bytes),
            // Compaction is not supported: a compacted topic keeps all its records.
            retention: Retention {
                milliseconds: number(RETENTION_MS).filter(|_| !keeps_all),
                bytes: number(RETENTION_BYTES).filter(|_| !keeps_all),
            },
            key_required: compacted,
            timestamps,
            min_insync_replicas: number(MIN_INSYNC_REPLICAS).unwrap_or(1),
        }
    }
}

impl Known {
    /// Returns the value for a topic that does not set it.
    pub fn default_value(&self, settings: &Settings) -> String {
        match self.default {
            Default::Fixed(value) => value.to_owned(),
            Default::SegmentBytes => settings.segment_bytes.to_string(),
            Default::MaxBatchBytes => settings.max_batch_bytes.to_string(),
        }
    }

    fn check(&self, value: &str) -> Result<(), Error> {
        let within = |least: i64, most: i64| {
            let number = value.parse::<i64>();
            number.is_ok_and(|number| (least..=most).contains(&number))
        };
        let sound = match self.kind {
            Kind::Boolean => matches!(value, "true" | "false"),
            Kind::Int(least) => within(least, i64::from(i32::MAX)),
            Kind::Long(least) => within(least, i64::MAX),
            Kind::Ratio => value
                .parse::<f64>()
                .is_ok_and(|ratio| (0.0..=1.0).contains(&ratio)),
            Kind::Choice(words) => words.contains(&value),
            Kind::List(words) => value.split(',').all(|word| words.contains(&word.trim())),
        };
        if sound {
            return Ok(());
        }
        Err(Error::Value {
            name: self.name.to_owned(),
            value: value.to_owned(),
        })
    }
}

pub fn all() -> &'static [Known] {
    KNOWN
}

pub fn find(name: &str) -> Result<&'static Known, Error> {
    let known = KNOWN.iter().find(|known| known.name == name);
    known.ok_or_else(|| Error::Unknown {
        name: name.to_owned(),
    })
}

/// Checks names and values of settings.
pub fn check(overrides: &Overrides) -> Result<(), Error> {
    overrides
        .iter()
        .try_for_each(|(name, value)| find(name)?.check(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overrides(settings: &[(&str, &str)]) -> Overrides {
        settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn every_default_is_valid() {
        let settings = Settings::default();
        for known in all() {
            known.check(&known.default_value(&settings)).unwrap();
        }
    }

    #[test]
    fn errors_name_unknown_settings_and_invalid_values() {
        let error = check(&overrides(&[("retention.md", "1")])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`retention.md` is not a setting of topics"
        );
        let error = check(&overrides(&[("retention.ms", "soon")])).unwrap_err();
        assert_eq!(error.to_string(), "invalid value `soon` for `retention.ms`");
    }

    #[test]
    fn default_retention_is_one_week() {
        let settings = Settings::default();
        let config = TopicConfig::new(&overrides(&[]), &settings);
        assert_eq!(config.retention.milliseconds, Some(604_800_000));
        assert_eq!(config.retention.bytes, None);
        let set = overrides(&[("retention.ms", "-1"), ("retention.bytes", "5")]);
        let config = TopicConfig::new(&set, &settings);
        assert_eq!(config.retention.milliseconds, None);
        assert_eq!(config.retention.bytes, Some(5));
    }

    #[test]
    fn compacted_topic_keeps_all_records() {
        let set = overrides(&[("cleanup.policy", "compact"), ("retention.bytes", "5")]);
        let config = TopicConfig::new(&set, &Settings::default());
        let nothing = Retention {
            milliseconds: None,
            bytes: None,
        };
        assert_eq!(config.retention, nothing);
    }
}
