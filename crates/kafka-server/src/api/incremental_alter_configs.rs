//! `IncrementalAlterConfigs`: changes some settings of topics.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_IncrementalAlterConfigs>
//! - KIP-339

use kafka_protocol::messages::incremental_alter_configs_response::{
    AlterConfigsResourceResponse, IncrementalAlterConfigsResponse,
};

use crate::api::resource::Resource;
use crate::api::str_bytes;
use crate::cluster::Cluster;
use crate::config::{self, Kind, Overrides};
use crate::reply::{Error, Reply};
use crate::settings::Settings;
use crate::wire::{self, Reader};

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// Settings that are to change.
#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// By resource.
    pub resources: Vec<(Resource<'a>, Vec<Change<'a>>)>,
    /// Whether only to say what would happen.
    pub validate_only: bool,
}

/// A change of one setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    /// The setting.
    pub name: &'a str,
    /// Set, delete, append to or subtract from a list.
    pub operation: i8,
    /// With what.
    pub value: Option<&'a str>,
}

impl<'a> Request<'a> {
    /// Decodes the body.
    pub fn decode(reader: &mut Reader<'a>, _version: i16) -> Result<Self, wire::Error> {
        let resources = reader.array(|reader| {
            let resource = Resource::decode(reader)?;
            let changes = reader.array(|reader| {
                let change = Change {
                    name: reader.string()?,
                    operation: reader.i8()?,
                    value: reader.nullable_string()?,
                };
                reader.tags()?;
                Ok(change)
            })?;
            reader.tags()?;
            Ok((resource, changes))
        })?;
        let validate_only = reader.bool()?;
        reader.tags()?;
        Ok(Self {
            resources,
            validate_only,
        })
    }
}

impl Change<'_> {
    fn apply(&self, overrides: &mut Overrides, settings: &Settings) -> Result<(), config::Error> {
        let setting = config::find(self.name)?;
        let name = setting.name;
        let value = self.value.unwrap_or_default();
        let words = |list: &str| -> Vec<String> {
            let words = list.split(',').map(|word| word.trim().to_owned());
            words.filter(|word| !word.is_empty()).collect()
        };
        // A topic that does not set a list has the default's words, and keeps them.
        let known = overrides.get(name).cloned();
        let known = words(&known.unwrap_or_else(|| setting.default_value(settings)));
        let is_list = matches!(setting.kind, Kind::List(_));
        let list = match self.operation {
            SET => {
                overrides.insert(name.to_owned(), value.to_owned());
                return Ok(());
            }
            DELETE => {
                overrides.remove(name);
                return Ok(());
            }
            APPEND if is_list => {
                let mut list = known;
                for word in words(value) {
                    if !list.contains(&word) {
                        list.push(word);
                    }
                }
                list
            }
            SUBTRACT if is_list => {
                let removed = words(value);
                let list = known.into_iter();
                list.filter(|word| !removed.contains(word)).collect()
            }
            operation => {
                return Err(config::Error::Operation {
                    name: name.to_owned(),
                    operation,
                });
            }
        };
        overrides.insert(name.to_owned(), list.join(","));
        Ok(())
    }
}

/// Changes the settings resource by resource, all of a resource's or none.
pub fn answer(cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let responses = request.resources.iter().map(|(resource, changes)| {
        let altered = resource.alter(cluster, request.validate_only, |overrides| {
            changes
                .iter()
                .try_for_each(|change| change.apply(overrides, cluster.settings()))
        });
        let response = AlterConfigsResourceResponse::default()
            .with_resource_type(resource.kind)
            .with_resource_name(str_bytes(resource.name));
        match altered {
            Ok(()) => response,
            Err(refusal) => response
                .with_error_code(refusal.error.code())
                .with_error_message(refusal.message.as_deref().map(str_bytes)),
        }
    });
    reply.send(&IncrementalAlterConfigsResponse::default().with_responses(responses.collect()))
}
