//! `AlterConfigs`: replaces all settings of topics and of the broker.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_AlterConfigs>

use kafka_protocol::messages::alter_configs_response::{
    AlterConfigsResourceResponse, AlterConfigsResponse,
};

use crate::api::alteration::Alteration;
use crate::api::refusal::Refusal;
use crate::api::resource::{Owner, Resource};
use crate::api::str_bytes::str_bytes;
use crate::cluster::Cluster;
use crate::config::{self, Overrides};
use crate::reply::{Error, Reply};
use crate::wire::{self, Reader};

/// All settings of each resource, which replace the existing ones.
pub type Request<'a> = Alteration<'a, Setting<'a>>;

/// Name and value of a setting; `None` for the default.
type Setting<'a> = (&'a str, Option<&'a str>);

pub fn decode<'a>(reader: &mut Reader<'a>, _version: i16) -> Result<Request<'a>, wire::Error> {
    Alteration::decode(reader, |reader| {
        Ok((reader.string()?, reader.nullable_string()?))
    })
}

pub fn answer(cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let replace = |owner: Owner<'_>, settings: &[Setting<'_>], overrides: &mut Overrides| {
        *overrides = collect(owner, settings)?;
        Ok(())
    };
    let responses = request.apply(cluster, replace);
    let responses = responses.map(|(resource, altered)| describe(resource, altered));
    reply.send(&AlterConfigsResponse::default().with_responses(responses.collect()))
}

fn collect(owner: Owner<'_>, settings: &[Setting<'_>]) -> Result<Overrides, config::Error> {
    let mut overrides = Overrides::new();
    for (name, value) in settings {
        let known = owner.find(name)?;
        if let Some(value) = value {
            overrides.insert(known.name.to_owned(), (*value).to_owned());
        }
    }
    Ok(overrides)
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
