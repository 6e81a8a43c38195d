//! `AlterConfigs`: replaces all settings of topics.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_AlterConfigs>

use kafka_protocol::messages::alter_configs_response::{
    AlterConfigsResourceResponse, AlterConfigsResponse,
};

use crate::api::resource::Resource;
use crate::api::str_bytes;
use crate::cluster::Cluster;
use crate::reply::{Error, Reply};
use crate::wire::{self, Reader};

/// Settings that are to replace what there is.
#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// By resource.
    pub resources: Vec<(Resource<'a>, Vec<Setting<'a>>)>,
    /// Whether only to say what would happen.
    pub validate_only: bool,
}

/// Name and value of a setting, `None` for the default.
type Setting<'a> = (&'a str, Option<&'a str>);

impl<'a> Request<'a> {
    /// Decodes the body.
    pub fn decode(reader: &mut Reader<'a>, _version: i16) -> Result<Self, wire::Error> {
        let resources = reader.array(|reader| {
            let resource = Resource::decode(reader)?;
            let settings = reader.array(|reader| {
                let setting = (reader.string()?, reader.nullable_string()?);
                reader.tags()?;
                Ok(setting)
            })?;
            reader.tags()?;
            Ok((resource, settings))
        })?;
        let validate_only = reader.bool()?;
        reader.tags()?;
        Ok(Self {
            resources,
            validate_only,
        })
    }
}

/// Replaces the settings resource by resource.
pub fn answer(cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let responses = request.resources.iter().map(|(resource, settings)| {
        let altered = resource.alter(cluster, request.validate_only, |overrides| {
            overrides.clear();
            let set = settings
                .iter()
                .filter_map(|(name, value)| Some((name, (*value)?)));
            overrides.extend(set.map(|(name, value)| ((*name).to_owned(), value.to_owned())));
            Ok(())
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
    reply.send(&AlterConfigsResponse::default().with_responses(responses.collect()))
}
