//! Settings of topics: names, permitted values and defaults, as in Kafka.
//!
//! # References
//!
//! - <https://kafka.apache.org/documentation/#topicconfigs>

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

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
    /// A 32-bit number in one of these ranges.
    Level(&'static [RangeInclusive<i64>]),
    /// A boolean of which only `false` is supported.
    Disabled,
    /// `*`, or pairs of partition and broker, such as `0:1,1:1`.
    Replicas,
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

const SEGMENT_MS: &str = "segment.ms";
const DELETE_RETENTION_MS: &str = "delete.retention.ms";
const DIRTY_RATIO: &str = "min.cleanable.dirty.ratio";
const MIN_COMPACTION_LAG_MS: &str = "min.compaction.lag.ms";
const MAX_COMPACTION_LAG_MS: &str = "max.compaction.lag.ms";

/// Batches are stored as the producer compressed them, which readers cannot tell from records.
const COMPRESSION: &[&str] = &["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"];

const COMPACT: &str = "compact";
const DELETE: &str = "delete";
const LOG_APPEND_TIME: &str = "LogAppendTime";

/// The minimum of Kafka 4.
const MIN_SEGMENT_BYTES: i64 = 1_048_576;

/// All settings of Kafka 4. [`TopicConfig`] has those with an effect; the others cannot matter on
/// one broker, and are stored for clients that set and describe them.
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
    known(
        "compression.gzip.level",
        Kind::Level(&[-1..=-1, 1..=9]),
        "-1",
    ),
    known("compression.lz4.level", Kind::Level(&[1..=17]), "9"),
    known("compression.type", Kind::Choice(COMPRESSION), "producer"),
    known("compression.zstd.level", Kind::Level(&[-131_072..=22]), "3"),
    known(DELETE_RETENTION_MS, Kind::Long(0), "86400000"),
    known("file.delete.delay.ms", Kind::Long(0), "60000"),
    known("flush.messages", Kind::Long(1), "9223372036854775807"),
    known("flush.ms", Kind::Long(0), "9223372036854775807"),
    known(
        "follower.replication.throttled.replicas",
        Kind::Replicas,
        "",
    ),
    known("index.interval.bytes", Kind::Int(0), "4096"),
    known("leader.replication.throttled.replicas", Kind::Replicas, ""),
    known("local.retention.bytes", Kind::Long(-2), "-2"),
    known("local.retention.ms", Kind::Long(-2), "-2"),
    known(MAX_COMPACTION_LAG_MS, Kind::Long(1), "9223372036854775807"),
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
    known(DIRTY_RATIO, Kind::Ratio, "0.5"),
    known(MIN_COMPACTION_LAG_MS, Kind::Long(0), "0"),
    known(MIN_INSYNC_REPLICAS, Kind::Int(1), "1"),
    known("preallocate", Kind::Boolean, "false"),
    known("remote.log.copy.disable", Kind::Boolean, "false"),
    known("remote.log.delete.on.disable", Kind::Boolean, "false"),
    known("remote.storage.enable", Kind::Disabled, "false"),
    known("segment.index.bytes", Kind::Int(4), "10485760"),
    known("segment.jitter.ms", Kind::Long(0), "0"),
    known(SEGMENT_MS, Kind::Long(1), "604800000"),
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
    #[error("`{name}` is not a setting of the broker that can be altered")]
    NotAlterable { name: String },
    #[error("`{name}` cannot be altered while the broker runs")]
    ReadOnly { name: String },
    #[error("invalid value `{value}` for `{name}`")]
    Value { name: String, value: String },
    #[error("`{MIN_COMPACTION_LAG_MS}` exceeds `{MAX_COMPACTION_LAG_MS}`")]
    CompactionLag,
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
    /// Milliseconds after which a partition starts a new segment.
    pub segment_ms: u64,
    /// Set if the topic is compacted: each record then needs a key.
    pub compaction: Option<Compaction>,
    pub timestamps: Timestamps,
    /// Replicas that must have a record before it is acknowledged to all.
    pub min_insync_replicas: u64,
}

/// When and how a topic is compacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compaction {
    /// Part of the bytes that were not compacted, in millionths, above which compaction starts.
    pub dirty_ratio: u64,
    /// Milliseconds that a record is not compacted.
    pub min_lag_ms: u64,
    /// Milliseconds after which a record is compacted whatever the ratio.
    pub max_lag_ms: u64,
    /// Milliseconds that tombstones and markers are kept.
    pub delete_retention_ms: u64,
}

impl Compaction {
    /// A ratio of one, in millionths.
    pub const WHOLE: u32 = 1_000_000;
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
            retention: Retention {
                milliseconds: number(RETENTION_MS).filter(|_| !keeps_all),
                bytes: number(RETENTION_BYTES).filter(|_| !keeps_all),
            },
            segment_ms: number(SEGMENT_MS).unwrap_or(u64::MAX),
            compaction: compacted.then(|| Compaction {
                dirty_ratio: ratio(overrides.get(DIRTY_RATIO).map_or("0.5", String::as_str)),
                min_lag_ms: number(MIN_COMPACTION_LAG_MS).unwrap_or(0),
                max_lag_ms: number(MAX_COMPACTION_LAG_MS).unwrap_or(u64::MAX),
                delete_retention_ms: number(DELETE_RETENTION_MS).unwrap_or(86_400_000),
            }),
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

    /// Whether the default is one of the settings that the server was started with.
    pub fn is_started(&self) -> bool {
        matches!(self.default, Default::SegmentBytes | Default::MaxBatchBytes)
    }

    fn check(&self, value: &str) -> Result<(), Error> {
        let trimmed = value.trim();
        let within = |least: i64, most: i64| {
            let number = trimmed.parse::<i64>();
            number.is_ok_and(|number| (least..=most).contains(&number))
        };
        let is = |word: &str| trimmed.eq_ignore_ascii_case(word);
        let sound = match self.kind {
            Kind::Boolean => is("true") || is("false"),
            Kind::Disabled => is("false"),
            Kind::Int(least) => within(least, i64::from(i32::MAX)),
            Kind::Long(least) => within(least, i64::MAX),
            Kind::Level(ranges) => ranges
                .iter()
                .any(|range| within(*range.start(), *range.end())),
            Kind::Replicas => is_replicas(trimmed),
            Kind::Ratio => trimmed
                .parse::<f64>()
                .is_ok_and(|ratio| (0.0..=1.0).contains(&ratio)),
            Kind::Choice(words) => words.contains(&trimmed),
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

impl Kind {
    /// Whether clients may append words to the value.
    pub fn is_list(self) -> bool {
        matches!(self, Self::List(_) | Self::Replicas)
    }
}

/// Returns a checked decimal between 0 and 1 in millionths.
fn ratio(text: &str) -> u64 {
    let (whole, digits) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let digits = format!("{digits:0<6}");
    let whole: u64 = whole.parse().unwrap_or(0);
    let part: u64 = digits
        .get(..6)
        .and_then(|six| six.parse().ok())
        .unwrap_or(0);
    whole * u64::from(Compaction::WHOLE) + part
}

/// Whether the text is `*`, or pairs of partition and broker.
fn is_replicas(text: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let pair = |pair: &str| {
        let pair = pair.trim().split_once(':');
        pair.is_some_and(|(partition, broker)| number(partition) && number(broker))
    };
    text.is_empty() || text == "*" || text.split(',').all(pair)
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
        .try_for_each(|(name, value)| find(name)?.check(value))?;
    let lag = |name, default| {
        let lag = overrides.get(name);
        lag.and_then(|lag| lag.trim().parse().ok())
            .unwrap_or(default)
    };
    if lag(MIN_COMPACTION_LAG_MS, 0) > lag(MAX_COMPACTION_LAG_MS, i64::MAX) {
        return Err(Error::CompactionLag);
    }
    Ok(())
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
    fn values_that_kafka_takes_are_taken_and_others_are_not() {
        let taken = [
            ("compression.type", "lz4"),
            ("compression.type", "uncompressed"),
            ("compression.gzip.level", "-1"),
            ("compression.gzip.level", " 9 "),
            ("compression.zstd.level", "-5"),
            ("message.timestamp.type", "LogAppendTime"),
            ("leader.replication.throttled.replicas", "*"),
            ("follower.replication.throttled.replicas", "0:1,12:101"),
            ("follower.replication.throttled.replicas", ""),
            ("remote.storage.enable", "false"),
            ("remote.log.copy.disable", "true"),
            ("local.retention.ms", "-2"),
            ("local.retention.bytes", "-1"),
            ("preallocate", "TRUE"),
            ("cleanup.policy", "compact, delete"),
            ("segment.bytes", "1048576"),
        ];
        for (name, value) in taken {
            assert_eq!(
                check(&overrides(&[(name, value)])),
                Ok(()),
                "{name}={value}"
            );
        }
        let refused = [
            ("compression.type", "brotli"),
            ("compression.gzip.level", "0"),
            ("compression.lz4.level", "18"),
            ("compression.zstd.level", "23"),
            ("message.timestamp.type", "NoTime"),
            ("leader.replication.throttled.replicas", "0"),
            ("leader.replication.throttled.replicas", "0:1,,"),
            ("remote.storage.enable", "true"),
            ("local.retention.ms", "-3"),
            ("preallocate", "yes"),
            ("cleanup.policy", "shrink"),
            ("min.insync.replicas", "0"),
            ("segment.bytes", "1000"),
            ("message.format.version", "3.0"),
        ];
        for (name, value) in refused {
            assert!(
                check(&overrides(&[(name, value)])).is_err(),
                "{name}={value}"
            );
        }
    }

    #[test]
    fn compaction_lags_that_contradict_each_other_are_refused() {
        let lags = |least, most| {
            let set = [
                ("min.compaction.lag.ms", least),
                ("max.compaction.lag.ms", most),
            ];
            check(&overrides(&set))
        };
        assert_eq!(lags("5", "5"), Ok(()));
        assert_eq!(lags("6", "5"), Err(Error::CompactionLag));
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
