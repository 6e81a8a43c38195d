//! How settings appear in the report.

use std::fmt;
use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::fleet::Shard;
use crate::load::{Bound, Rate};
use crate::pipeline::{Participation, Timeouts, TopicCreation};
use crate::settings::servers::{ExternalBroker, ExternalRegistry};

pub(super) fn text<S: Serializer>(
    value: &impl fmt::Display,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

pub(super) fn rate<S: Serializer>(rate: &Rate, serializer: S) -> Result<S::Ok, S::Error> {
    match rate {
        Rate::Timed(rate) => serializer.serialize_f64(rate.per_second()),
        Rate::Max => serializer.serialize_str("max"),
    }
}

#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
pub(super) fn optional_rate<S: Serializer>(
    value: &Option<Rate>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => rate(value, serializer),
        None => serializer.serialize_none(),
    }
}

pub(super) fn bound<S: Serializer>(bound: &Bound, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    match bound {
        Bound::Duration(duration) => map.serialize_entry("duration_s", &duration.as_secs_f64())?,
        Bound::Records(records) => map.serialize_entry("records", records)?,
        Bound::Rows => map.serialize_entry("records", "all")?,
    }
    map.end()
}

pub(super) fn timeouts<S: Serializer>(
    timeouts: &Timeouts,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(3))?;
    map.serialize_entry("request_timeout_s", &timeouts.request.as_secs_f64())?;
    map.serialize_entry("broker_timeout_s", &timeouts.broker.as_secs_f64())?;
    map.serialize_entry("interrupt_timeout_s", &timeouts.interrupt.as_secs_f64())?;
    map.end()
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference to the field"
)]
pub(super) fn creation<S: Serializer>(
    creation: &TopicCreation,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(2))?;
    map.serialize_entry("partitions", &creation.partitions)?;
    map.serialize_entry("replication_factor", &creation.replication_factor)?;
    map.end()
}

pub(super) fn participation<S: Serializer>(
    participation: &Participation,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let seconds = |duration: Option<Duration>| duration.map(|it| it.as_secs_f64());
    let (timing, length) = (participation.timing, participation.length);
    let mut map = serializer.serialize_map(Some(9))?;
    map.serialize_entry("from", &participation.start)?;
    map.serialize_entry("isolation", &participation.isolation)?;
    let heartbeat = timing.heartbeat.as_secs_f64();
    map.serialize_entry("heartbeat_interval_s", &heartbeat)?;
    let session_timeout = timing.session_timeout.as_secs_f64();
    map.serialize_entry("session_timeout_s", &session_timeout)?;
    map.serialize_entry("instance", &participation.instance)?;
    map.serialize_entry("duration_s", &seconds(length.duration))?;
    map.serialize_entry("records", &length.records)?;
    map.serialize_entry("idle_s", &seconds(length.idle))?;
    map.serialize_entry("replay_dead_letters", &participation.replay_dead_letters)?;
    map.end()
}

pub(super) fn seconds<S: Serializer>(
    duration: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

pub(super) fn milliseconds<S: Serializer>(
    duration: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64() * 1e3)
}

#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
pub(super) fn optional_milliseconds<S: Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    duration
        .map(|duration| duration.as_secs_f64() * 1e3)
        .serialize(serializer)
}

#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
pub(super) fn shard<S: Serializer>(
    shard: &Option<Shard>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match shard {
        Some(shard) => text(shard, serializer),
        None => serializer.serialize_none(),
    }
}

pub(super) fn bootstrap<S: Serializer>(
    broker: &ExternalBroker,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    text(&broker.bootstrap.join(","), serializer)
}

#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
pub(super) fn registry<S: Serializer>(
    registry: &Option<ExternalRegistry>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    registry
        .as_ref()
        .map(|registry| &registry.url)
        .serialize(serializer)
}
