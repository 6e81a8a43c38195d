//! `IncrementalAlterConfigs`: changes single settings of topics and of the broker.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_IncrementalAlterConfigs>
//! - KIP-339

use kafka_protocol::messages::incremental_alter_configs_response::{
    AlterConfigsResourceResponse, IncrementalAlterConfigsResponse,
};

use crate::api::alteration::Alteration;
use crate::api::refusal::Refusal;
use crate::api::resource::{Owner, Resource};
use crate::api::str_bytes::str_bytes;
use crate::cluster::Cluster;
use crate::config::{self, Overrides};
use crate::reply::{Error, Reply};
use crate::settings::Settings;
use crate::wire::{self, Reader};

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

pub type Request<'a> = Alteration<'a, Change<'a>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    pub name: &'a str,
    /// Set (0), delete (1), append to (2) or subtract from (3) a list.
    pub operation: i8,
    pub value: Option<&'a str>,
}

pub fn decode<'a>(reader: &mut Reader<'a>, _version: i16) -> Result<Request<'a>, wire::Error> {
    Alteration::decode(reader, |reader| {
        Ok(Change {
            name: reader.string()?,
            operation: reader.i8()?,
            value: reader.nullable_string()?,
        })
    })
}

impl Change<'_> {
    fn apply(
        &self,
        owner: Owner<'_>,
        overrides: &mut Overrides,
        settings: &Settings,
    ) -> Result<(), config::Error> {
        let setting = owner.find(self.name)?;
        let name = setting.name;
        let value = self.value.unwrap_or_default();
        let words = |list: &str| -> Vec<String> {
            let words = list.split(',').map(|word| word.trim().to_owned());
            words.filter(|word| !word.is_empty()).collect()
        };
        // A topic without the setting starts from the words of the default.
        let known = overrides.get(name).cloned();
        let known = words(&known.unwrap_or_else(|| setting.default_value(settings)));
        let is_list = setting.kind.is_list();
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

pub fn answer(cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let settings = cluster.settings();
    let change = |owner: Owner<'_>, changes: &[Change<'_>], overrides: &mut Overrides| {
        changes
            .iter()
            .try_for_each(|change| change.apply(owner, overrides, settings))
    };
    let responses = request.apply(cluster, change);
    let responses = responses.map(|(resource, altered)| describe(resource, altered));
    reply.send(&IncrementalAlterConfigsResponse::default().with_responses(responses.collect()))
}

fn describe(resource: &Resource<'_>, altered: Result<(), Refusal>) -> AlterConfigsResourceResponse {
    let response = AlterConfigsResourceResponse::default()
        .with_resource_type(resource.kind)
        .with_resource_name(str_bytes(resource.name));
    match altered {
        Ok(()) => response.with_error_message(None),
        Err(refusal) => response
            .with_error_code(refusal.error.code())
            .with_error_message(Some(str_bytes(&refusal.text()))),
    }
}
