//! `ApiVersions`: the supported APIs and their versions.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_ApiVersions>
//! - KIP-511: an unsupported version is answered in version 0, with an error and the versions.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiKey, ApiVersionsResponse};

use crate::api::supported::SUPPORTED;
use crate::cluster::Cluster;
use crate::reply::{Error, Reply};
use crate::wire::{self, Reader};

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Request<'a> {
    /// Name of the client library; empty below version 3.
    pub software_name: &'a str,
    /// Version of the client library; empty below version 3.
    pub software_version: &'a str,
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, version: i16) -> Result<Self, wire::Error> {
        if version < 3 {
            return Ok(Self::default());
        }
        let request = Self {
            software_name: reader.string()?,
            software_version: reader.string()?,
        };
        reader.tags()?;
        Ok(request)
    }
}

pub fn answer(_cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    tracing::debug!(
        name = request.software_name,
        version = request.software_version,
        "received the client's name and version"
    );
    reply.send(&supported())
}

/// Answers a request in an unsupported version.
pub fn refuse(reply: Reply<'_>) -> Result<(), Error> {
    let response = supported().with_error_code(ResponseError::UnsupportedVersion.code());
    reply.send_as(&response, 0)
}

fn supported() -> ApiVersionsResponse {
    let versions = SUPPORTED.iter().map(|supported| {
        // librdkafka compresses only for brokers that claim version 0; Kafka 4 claims it, too.
        let min = match supported.api {
            ApiKey::Produce => 0,
            _ => supported.min,
        };
        ApiVersion::default()
            .with_api_key(supported.api as i16)
            .with_min_version(min)
            .with_max_version(supported.max)
    });
    ApiVersionsResponse::default().with_api_keys(versions.collect())
}
