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
use crate::cluster::{Cluster, TopicRef};
use crate::config::{self, Kind};
use crate::reply::{Error, Reply};
use crate::wire::{self, Reader};

/// Set for the topic.
pub const SOURCE_TOPIC: i8 = 1;
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
            let setting = |known: &config::Known| {
                let own = overrides.get(known.name).cloned();
                Setting {
                    name: known.name,
                    source: if own.is_some() {
                        SOURCE_TOPIC
                    } else {
                        SOURCE_DEFAULT
                    },
                    value: own.unwrap_or_else(|| known.default_value(cluster.settings())),
                    kind: type_of(known.kind),
                    read_only: false,
                }
            };
            Ok(config::all().iter().map(setting).collect())
        }
        Owner::Broker => Ok(broker_settings(cluster)),
    }
}

fn broker_settings(cluster: &Cluster) -> Vec<Setting> {
    let settings = cluster.settings();
    let setting = |name, value, kind| Setting {
        name,
        value,
        source: SOURCE_BROKER,
        kind,
        read_only: true,
    };
    let partitions = settings.default_partitions.to_string();
    let auto_create = settings.auto_create_topics.to_string();
    let frame_bytes = settings.limits.frame_bytes.to_string();
    let idle_ms = settings.limits.idle.as_millis().to_string();
    vec![
        setting("auto.create.topics.enable", auto_create, TYPE_BOOLEAN),
        setting("connections.max.idle.ms", idle_ms, TYPE_LONG),
        setting("default.replication.factor", "1".to_owned(), TYPE_INT),
        setting(
            "fetch.max.bytes",
            settings.max_fetch_bytes.to_string(),
            TYPE_INT,
        ),
        setting(
            "log.segment.bytes",
            settings.segment_bytes.to_string(),
            TYPE_INT,
        ),
        setting(
            "message.max.bytes",
            settings.max_batch_bytes.to_string(),
            TYPE_INT,
        ),
        setting("num.partitions", partitions, TYPE_INT),
        setting("socket.request.max.bytes", frame_bytes, TYPE_INT),
    ]
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
