//! Settings of the broker that clients may alter: the defaults of topics.
//!
//! ```text
//!  topic ─▶ this broker (resource `1`) ─▶ all brokers (resource ``) ─▶ default
//! ```
//!
//! # References
//!
//! - <https://kafka.apache.org/documentation/#dynamicbrokerconfigs>

use std::io;

use convoy_server_kit::disk;
use serde::{Deserialize, Serialize};

use crate::config::{self, Error, Known, Overrides};
use crate::settings::Settings;
use crate::storage::Storage;

pub const FILE_NAME: &str = "broker.json";

/// Settings of the broker with the settings of topics that they are the defaults of.
const ALTERABLE: &[(&str, &str)] = &[
    ("compression.gzip.level", "compression.gzip.level"),
    ("compression.lz4.level", "compression.lz4.level"),
    ("compression.type", "compression.type"),
    ("compression.zstd.level", "compression.zstd.level"),
    ("log.cleaner.delete.retention.ms", "delete.retention.ms"),
    ("log.cleaner.max.compaction.lag.ms", "max.compaction.lag.ms"),
    (
        "log.cleaner.min.cleanable.ratio",
        "min.cleanable.dirty.ratio",
    ),
    ("log.cleaner.min.compaction.lag.ms", "min.compaction.lag.ms"),
    ("log.cleanup.policy", "cleanup.policy"),
    ("log.flush.interval.messages", "flush.messages"),
    ("log.flush.interval.ms", "flush.ms"),
    ("log.index.interval.bytes", "index.interval.bytes"),
    ("log.index.size.max.bytes", "segment.index.bytes"),
    ("log.local.retention.bytes", "local.retention.bytes"),
    ("log.local.retention.ms", "local.retention.ms"),
    (
        "log.message.timestamp.after.max.ms",
        "message.timestamp.after.max.ms",
    ),
    (
        "log.message.timestamp.before.max.ms",
        "message.timestamp.before.max.ms",
    ),
    ("log.message.timestamp.type", "message.timestamp.type"),
    ("log.preallocate", "preallocate"),
    ("log.retention.bytes", "retention.bytes"),
    ("log.retention.ms", "retention.ms"),
    ("log.roll.jitter.ms", "segment.jitter.ms"),
    ("log.roll.ms", "segment.ms"),
    ("log.segment.bytes", "segment.bytes"),
    ("log.segment.delete.delay.ms", "file.delete.delay.ms"),
    ("message.max.bytes", "max.message.bytes"),
    ("min.insync.replicas", "min.insync.replicas"),
    (
        "unclean.leader.election.enable",
        "unclean.leader.election.enable",
    ),
];

/// Settings that are fixed while the broker runs.
pub const READ_ONLY: &[&str] = &[
    "auto.create.topics.enable",
    "broker.id",
    "connections.max.idle.ms",
    "default.replication.factor",
    "fetch.max.bytes",
    "group.initial.rebalance.delay.ms",
    "group.max.session.timeout.ms",
    "group.min.session.timeout.ms",
    "node.id",
    "num.partitions",
    "socket.request.max.bytes",
    "transaction.max.timeout.ms",
    "transactional.id.expiration.ms",
];

/// Settings of the broker that clients altered, by the names of topics' settings.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokerConfig {
    own: Overrides,
    everywhere: Overrides,
}

/// Which settings a client alters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// Those of this broker.
    Own,
    /// The defaults of all brokers.
    Everywhere,
}

/// Where the value of a setting comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Altered(Layer),
    /// The settings that the server was started with.
    Started,
    Default,
}

impl BrokerConfig {
    /// Reads the settings of a data directory.
    pub fn load(storage: &Storage) -> Result<Self, disk::Error> {
        let path = storage.path(FILE_NAME);
        let lost = "the altered settings of the broker would be lost";
        let Some(text) = disk::load_sealed(&path, lost)? else {
            return Ok(Self::default());
        };
        serde_json::from_str(&text).map_err(|_| disk::Error::Damaged {
            path,
            offset: 0,
            lost: lost.to_owned(),
        })
    }

    pub fn save(&self, storage: &Storage) -> io::Result<()> {
        let path = storage.path(FILE_NAME);
        disk::save_sealed(&path, &serde_json::to_string_pretty(self)?)?;
        storage.add_once(&path)
    }

    pub fn layer(&self, layer: Layer) -> &Overrides {
        match layer {
            Layer::Own => &self.own,
            Layer::Everywhere => &self.everywhere,
        }
    }

    pub fn set_layer(&mut self, layer: Layer, overrides: Overrides) {
        match layer {
            Layer::Own => self.own = overrides,
            Layer::Everywhere => self.everywhere = overrides,
        }
    }

    /// Combines the settings of a topic with those of the broker.
    pub fn combine(&self, topic: &Overrides) -> Overrides {
        let mut combined = self.everywhere.clone();
        combined.extend(self.own.clone());
        combined.extend(topic.clone());
        combined
    }

    /// Returns the value of a setting for topics that do not set it.
    pub fn default_of(&self, known: &Known, settings: &Settings) -> (String, Origin) {
        for layer in [Layer::Own, Layer::Everywhere] {
            if let Some(value) = self.layer(layer).get(known.name) {
                return (value.clone(), Origin::Altered(layer));
            }
        }
        let origin = if known.is_started() {
            Origin::Started
        } else {
            Origin::Default
        };
        (known.default_value(settings), origin)
    }
}

/// Returns all settings that can be altered: the broker's name, and the setting of topics.
pub fn alterable() -> impl Iterator<Item = (&'static str, &'static Known)> {
    ALTERABLE
        .iter()
        .filter_map(|(name, topic)| Some((*name, config::find(topic).ok()?)))
}

/// Returns the setting of topics that a setting of the broker is the default of.
pub fn find(name: &str) -> Result<&'static Known, Error> {
    if let Some((_, known)) = alterable().find(|(known, _)| *known == name) {
        return Ok(known);
    }
    let name = name.to_owned();
    if READ_ONLY.contains(&&name[..]) {
        Err(Error::ReadOnly { name })
    } else {
        Err(Error::NotAlterable { name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alterable_setting_is_the_default_of_a_setting_of_topics() {
        assert_eq!(alterable().count(), ALTERABLE.len());
    }
}
