//! `DescribeConfigs`: the settings of topics and of the broker.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_DescribeConfigs>

use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResponse, DescribeConfigsResult,
    DescribeConfigsSynonym,
};

use crate::api::refusal::Refusal;
use crate::api::resource::{Owner, Resource};
use crate::api::str_bytes::str_bytes;
use crate::broker_config::{self, BrokerConfig, Layer, Origin};
use crate::cluster::{Cluster, NODE_ID, TopicRef};
use crate::config::{self, Kind, Known, Overrides};
use crate::reply::{Error, Reply};
use crate::settings::Settings;
use crate::transactions::{MAX_TIMEOUT_MS, UNUSED_KEPT_MS};
use crate::wire::{self, Reader};

/// Set for the topic.
pub const SOURCE_TOPIC: i8 = 1;
/// Altered for this broker.
const SOURCE_DYNAMIC_BROKER: i8 = 2;
/// Altered for all brokers.
const SOURCE_DYNAMIC_DEFAULT: i8 = 3;
/// Set when the broker started.
const SOURCE_BROKER: i8 = 4;
/// Not set.
pub const SOURCE_DEFAULT: i8 = 5;

const TYPE_BOOLEAN: i8 = 1;
const TYPE_STRING: i8 = 2;
const TYPE_INT: i8 = 3;
const TYPE_LONG: i8 = 5;
const TYPE_DOUBLE: i8 = 6;
const TYPE_LIST: i8 = 7;

#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Each resource with the names of the requested settings; `None` for all.
    pub resources: Vec<(Resource<'a>, Option<Vec<&'a str>>)>,
    pub include_synonyms: bool,
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, version: i16) -> Result<Self, wire::Error> {
        let resources = reader.array(|reader| {
            let resource = Resource::decode(reader)?;
            let wanted = reader.nullable_array(Reader::string)?;
            reader.tags()?;
            Ok((resource, wanted))
        })?;
        let include_synonyms = reader.bool()?;
        if version >= 3 {
            let _include_documentation = reader.bool()?;
        }
        reader.tags()?;
        Ok(Self {
            resources,
            include_synonyms,
        })
    }
}

/// A setting and its source.
struct Setting {
    name: &'static str,
    value: String,
    source: i8,
    kind: i8,
    read_only: bool,
}

pub fn answer(cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let version = reply.version();
    let results = request.resources.iter().map(|(resource, wanted)| {
        let result = DescribeConfigsResult::default()
            .with_resource_type(resource.kind)
            .with_resource_name(str_bytes(resource.name));
        match find(cluster, resource) {
            Ok(settings) => {
                let requested = |setting: &Setting| {
                    let wanted = wanted.as_deref();
                    wanted.is_none_or(|wanted| wanted.is_empty() || wanted.contains(&setting.name))
                };
                let settings = settings.into_iter().filter(requested);
                let described = settings.map(|setting| describe(&setting, request, version));
                result.with_configs(described.collect())
            }
            Err(refusal) => result
                .with_error_code(refusal.error.code())
                .with_error_message(refusal.message.as_deref().map(str_bytes)),
        }
    });
    reply.send(&DescribeConfigsResponse::default().with_results(results.collect()))
}

fn find(cluster: &Cluster, resource: &Resource<'_>) -> Result<Vec<Setting>, Refusal> {
    match resource.owner()? {
        Owner::Topic(name) => {
            let overrides = cluster.topic(TopicRef::Name(name))?.overrides();
            Ok(topic_settings(cluster, &overrides))
        }
        Owner::Broker(layer) => Ok(broker_settings(cluster, layer)),
    }
}

fn topic_settings(cluster: &Cluster, overrides: &Overrides) -> Vec<Setting> {
    let broker = cluster.broker_config();
    let setting = |known: &Known| {
        let (value, source) = match overrides.get(known.name) {
            Some(value) => (value.clone(), SOURCE_TOPIC),
            None => default_of(&broker, known, cluster.settings()),
        };
        Setting {
            name: known.name,
            value,
            source,
            kind: type_of(known.kind),
            read_only: false,
        }
    };
    config::all().iter().map(setting).collect()
}

/// Returns the value and its source for a topic that does not set it.
pub fn default_of(broker: &BrokerConfig, known: &Known, settings: &Settings) -> (String, i8) {
    let (value, origin) = broker.default_of(known, settings);
    let source = match origin {
        Origin::Altered(Layer::Own) => SOURCE_DYNAMIC_BROKER,
        Origin::Altered(Layer::Everywhere) => SOURCE_DYNAMIC_DEFAULT,
        Origin::Started | Origin::Default => SOURCE_DEFAULT,
    };
    (value, source)
}

/// Returns all settings of the broker, or the altered ones that are the defaults of all brokers.
fn broker_settings(cluster: &Cluster, layer: Layer) -> Vec<Setting> {
    let broker = cluster.broker_config();
    let alterable = broker_config::alterable().map(|(name, known)| {
        let (value, mut source) = default_of(&broker, known, cluster.settings());
        if source == SOURCE_DEFAULT && known.is_started() {
            source = SOURCE_BROKER;
        }
        Setting {
            name,
            value,
            source,
            kind: type_of(known.kind),
            read_only: false,
        }
    });
    if layer == Layer::Everywhere {
        let altered = |setting: &Setting| setting.source == SOURCE_DYNAMIC_DEFAULT;
        return alterable.filter(altered).collect();
    }
    let fixed = broker_config::READ_ONLY.iter();
    let fixed = fixed.filter_map(|name| fixed_setting(cluster.settings(), name));
    let mut settings: Vec<Setting> = alterable.chain(fixed).collect();
    settings.sort_unstable_by_key(|setting| setting.name);
    settings
}

/// Returns a setting that is fixed while the broker runs.
fn fixed_setting(settings: &Settings, name: &'static str) -> Option<Setting> {
    let (value, kind) = match name {
        "auto.create.topics.enable" => (settings.auto_create_topics.to_string(), TYPE_BOOLEAN),
        "broker.id" | "node.id" => (NODE_ID.to_string(), TYPE_INT),
        "connections.max.idle.ms" => (settings.limits.idle.as_millis().to_string(), TYPE_LONG),
        "default.replication.factor" => ("1".to_owned(), TYPE_INT),
        "fetch.max.bytes" => (settings.max_fetch_bytes.to_string(), TYPE_INT),
        "group.initial.rebalance.delay.ms" => {
            (settings.group_join_delay.as_millis().to_string(), TYPE_INT)
        }
        "group.max.session.timeout.ms" => ("1800000".to_owned(), TYPE_INT),
        "group.min.session.timeout.ms" => {
            let shortest = settings.group_min_session_timeout.as_millis();
            (shortest.to_string(), TYPE_INT)
        }
        "num.partitions" => (settings.default_partitions.to_string(), TYPE_INT),
        "socket.request.max.bytes" => (settings.limits.frame_bytes.to_string(), TYPE_INT),
        "transaction.max.timeout.ms" => (MAX_TIMEOUT_MS.to_string(), TYPE_INT),
        "transactional.id.expiration.ms" => (UNUSED_KEPT_MS.to_string(), TYPE_INT),
        _ => return None,
    };
    Some(Setting {
        name,
        value,
        source: SOURCE_BROKER,
        kind,
        read_only: true,
    })
}

fn describe(
    setting: &Setting,
    request: &Request<'_>,
    version: i16,
) -> DescribeConfigsResourceResult {
    let mut described = DescribeConfigsResourceResult::default()
        .with_name(str_bytes(setting.name))
        .with_value(Some(str_bytes(&setting.value)))
        .with_read_only(setting.read_only)
        .with_config_source(setting.source);
    if request.include_synonyms {
        let synonym = DescribeConfigsSynonym::default()
            .with_name(str_bytes(setting.name))
            .with_value(Some(str_bytes(&setting.value)))
            .with_source(setting.source);
        described = described.with_synonyms(vec![synonym]);
    }
    if version >= 3 {
        described = described.with_config_type(setting.kind);
    }
    described
}

fn type_of(kind: Kind) -> i8 {
    match kind {
        Kind::Boolean | Kind::Disabled => TYPE_BOOLEAN,
        Kind::Int(_) | Kind::Level(_) => TYPE_INT,
        Kind::Long(_) => TYPE_LONG,
        Kind::Ratio => TYPE_DOUBLE,
        Kind::Choice(_) => TYPE_STRING,
        Kind::List(_) | Kind::Replicas => TYPE_LIST,
    }
}
