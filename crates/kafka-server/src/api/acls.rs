//! `DescribeAcls`, `CreateAcls` and `DeleteAcls`: whoever is let in may do everything, so there are
//! no lists of who may do what. Clients get the answer of a Kafka without an authorizer, which
//! those that only look around know how to go on from.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_DescribeAcls>
//! - KIP-140, KIP-290 (patterns since version 1)

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::create_acls_response::{AclCreationResult, CreateAclsResponse};
use kafka_protocol::messages::delete_acls_response::{DeleteAclsFilterResult, DeleteAclsResponse};
use kafka_protocol::messages::describe_acls_response::DescribeAclsResponse;

use crate::api::str_bytes::str_bytes;
use crate::cluster::Cluster;
use crate::reply::{Error, Reply};
use crate::wire::{self, Reader};

const REFUSAL: ResponseError = ResponseError::SecurityDisabled;

const MESSAGE: &str = "this broker has no access control lists";

/// How many rules or filters a request holds; what they say does not matter.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// Each gets an answer of its own, but for a description.
    pub count: usize,
}

impl Request {
    /// Decodes the body of a description: one filter.
    pub fn decode_filter(reader: &mut Reader<'_>, _version: i16) -> Result<Self, wire::Error> {
        skip_filter(reader)?;
        Ok(Self { count: 1 })
    }

    /// Decodes the body of a deletion: filters.
    pub fn decode_filters(reader: &mut Reader<'_>, _version: i16) -> Result<Self, wire::Error> {
        let count = reader.array(skip_filter)?.len();
        reader.tags()?;
        Ok(Self { count })
    }

    /// Decodes the body of a creation: rules.
    pub fn decode_rules(reader: &mut Reader<'_>, _version: i16) -> Result<Self, wire::Error> {
        let count = reader.array(skip_rule)?.len();
        reader.tags()?;
        Ok(Self { count })
    }
}

fn skip_filter(reader: &mut Reader<'_>) -> Result<(), wire::Error> {
    let _resource_type = reader.i8()?;
    let _resource_name = reader.nullable_string()?;
    let _pattern_type = reader.i8()?;
    let _principal = reader.nullable_string()?;
    let _host = reader.nullable_string()?;
    let _operation = reader.i8()?;
    let _permission = reader.i8()?;
    reader.tags()
}

fn skip_rule(reader: &mut Reader<'_>) -> Result<(), wire::Error> {
    let _resource_type = reader.i8()?;
    let _resource_name = reader.string()?;
    let _pattern_type = reader.i8()?;
    let _principal = reader.string()?;
    let _host = reader.string()?;
    let _operation = reader.i8()?;
    let _permission = reader.i8()?;
    reader.tags()
}

/// Refuses to describe.
pub fn describe(_cluster: &Cluster, _request: &Request, reply: Reply<'_>) -> Result<(), Error> {
    let response = DescribeAclsResponse::default()
        .with_error_code(REFUSAL.code())
        .with_error_message(Some(str_bytes(MESSAGE)));
    reply.send(&response)
}

/// Refuses to create.
pub fn create(_cluster: &Cluster, request: &Request, reply: Reply<'_>) -> Result<(), Error> {
    let refused = AclCreationResult::default()
        .with_error_code(REFUSAL.code())
        .with_error_message(Some(str_bytes(MESSAGE)));
    let results = vec![refused; request.count];
    reply.send(&CreateAclsResponse::default().with_results(results))
}

/// Refuses to delete.
pub fn delete(_cluster: &Cluster, request: &Request, reply: Reply<'_>) -> Result<(), Error> {
    let refused = DeleteAclsFilterResult::default()
        .with_error_code(REFUSAL.code())
        .with_error_message(Some(str_bytes(MESSAGE)));
    let results = vec![refused; request.count];
    reply.send(&DeleteAclsResponse::default().with_filter_results(results))
}
