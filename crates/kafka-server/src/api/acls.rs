//! `DescribeAcls`, `CreateAcls` and `DeleteAcls`: refused as by a Kafka broker without an authorizer.
//!
//! Every authenticated client may do everything. Clients that only list ACLs handle this error.
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

const ERROR: ResponseError = ResponseError::SecurityDisabled;

const MESSAGE: &str = "this broker has no access control lists";

/// Rules or filters, of which only the number matters.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    pub count: usize,
}

impl Request {
    /// Decodes the body of `DescribeAcls`: one filter.
    pub fn decode_filter(reader: &mut Reader<'_>, _version: i16) -> Result<Self, wire::Error> {
        skip_filter(reader)?;
        Ok(Self { count: 1 })
    }

    /// Decodes the body of `DeleteAcls`: filters.
    pub fn decode_filters(reader: &mut Reader<'_>, _version: i16) -> Result<Self, wire::Error> {
        let count = reader.array(skip_filter)?.len();
        reader.tags()?;
        Ok(Self { count })
    }

    /// Decodes the body of `CreateAcls`: rules.
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

pub fn describe(_cluster: &Cluster, _request: &Request, reply: Reply<'_>) -> Result<(), Error> {
    let response = DescribeAclsResponse::default()
        .with_error_code(ERROR.code())
        .with_error_message(Some(str_bytes(MESSAGE)));
    reply.send(&response)
}

pub fn create(_cluster: &Cluster, request: &Request, reply: Reply<'_>) -> Result<(), Error> {
    let refused = AclCreationResult::default()
        .with_error_code(ERROR.code())
        .with_error_message(Some(str_bytes(MESSAGE)));
    let results = vec![refused; request.count];
    reply.send(&CreateAclsResponse::default().with_results(results))
}

pub fn delete(_cluster: &Cluster, request: &Request, reply: Reply<'_>) -> Result<(), Error> {
    let refused = DeleteAclsFilterResult::default()
        .with_error_code(ERROR.code())
        .with_error_message(Some(str_bytes(MESSAGE)));
    let results = vec![refused; request.count];
    reply.send(&DeleteAclsResponse::default().with_filter_results(results))
}
