//! `DescribeUserScramCredentials`: the users of the broker, each with both mechanisms.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_DescribeUserScramCredentials>
//! - KIP-554

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::describe_user_scram_credentials_response::{
    CredentialInfo, DescribeUserScramCredentialsResponse, DescribeUserScramCredentialsResult,
};

use crate::api::str_bytes::str_bytes;
use crate::auth::ITERATIONS;
use crate::cluster::Cluster;
use crate::reply::{Error, Reply};
use crate::wire::{self, Reader};

const SCRAM_SHA_256: i8 = 1;
const SCRAM_SHA_512: i8 = 2;

#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The requested users; `None` or none for all.
    pub users: Option<Vec<&'a str>>,
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, _version: i16) -> Result<Self, wire::Error> {
        let users = reader.nullable_array(|reader| {
            let name = reader.string()?;
            reader.tags()?;
            Ok(name)
        })?;
        reader.tags()?;
        Ok(Self { users })
    }
}

pub fn answer(cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let users = &cluster.settings().users;
    let mut wanted = request.users.clone().unwrap_or_default();
    if wanted.is_empty() {
        wanted = users.iter().map(|user| user.name.as_str()).collect();
    }
    let mut sorted = wanted.clone();
    sorted.sort_unstable();
    let repeated = |name: &str| {
        let first = sorted.partition_point(|known| *known < name);
        sorted.get(first.saturating_add(1)) == Some(&name)
    };
    let results = wanted.iter().map(|name| {
        let result = DescribeUserScramCredentialsResult::default().with_user(str_bytes(name));
        let refuse = |error: ResponseError, message: &str| {
            let result = result.clone().with_error_code(error.code());
            result.with_error_message(Some(str_bytes(message)))
        };
        if repeated(name) {
            let message = "the request names the user more than once";
            return refuse(ResponseError::DuplicateResource, message);
        }
        if !users.iter().any(|user| user.name == *name) {
            return refuse(ResponseError::ResourceNotFound, "the user does not exist");
        }
        let info = |mechanism| {
            CredentialInfo::default()
                .with_mechanism(mechanism)
                .with_iterations(i32::try_from(ITERATIONS).unwrap_or(i32::MAX))
        };
        result
            .with_error_message(None)
            .with_credential_infos(vec![info(SCRAM_SHA_256), info(SCRAM_SHA_512)])
    });
    let response = DescribeUserScramCredentialsResponse::default()
        .with_error_message(None)
        .with_results(results.collect());
    reply.send(&response)
}
