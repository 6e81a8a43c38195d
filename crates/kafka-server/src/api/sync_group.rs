//! `SyncGroup`: the leader sends the assignments, and every member waits for its own.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_SyncGroup>

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::SyncGroupResponse;

use crate::api::client::Client;
use crate::api::str_bytes::str_bytes;
use crate::cluster::Cluster;
use crate::group::{Identity, Sync};
use crate::reply::{Error, Reply};
use crate::wire::{self, Reader};

#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    pub group: &'a str,
    pub generation: i32,
    pub identity: Identity<'a>,
    /// Protocol type as far as the member knows.
    pub protocol_type: Option<&'a str>,
    /// Protocol as far as the member knows.
    pub protocol: Option<&'a str>,
    /// Assignments by member; empty unless the member is the leader.
    pub assignments: Vec<(&'a str, &'a [u8])>,
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, version: i16) -> Result<Self, wire::Error> {
        let group = reader.string()?;
        let generation = reader.i32()?;
        let member = reader.string()?;
        let instance = if version >= 3 {
            reader.nullable_string()?
        } else {
            None
        };
        let (protocol_type, protocol) = if version >= 5 {
            (reader.nullable_string()?, reader.nullable_string()?)
        } else {
            (None, None)
        };
        let assignments = reader.array(|reader| {
            let assignment = (reader.string()?, reader.bytes()?);
            reader.tags()?;
            Ok(assignment)
        })?;
        reader.tags()?;
        Ok(Self {
            group,
            generation,
            identity: Identity { member, instance },
            protocol_type,
            protocol,
            assignments,
        })
    }
}

/// Waits for the leader and answers with the member's assignment.
pub async fn answer(
    cluster: &Cluster,
    request: &Request<'_>,
    reply: Reply<'_>,
    client: Client<'_>,
) -> Result<(), Error> {
    let version = reply.version();
    let assignments = request.assignments.iter();
    let sync = Sync {
        identity: request.identity,
        generation: request.generation,
        protocol_type: request.protocol_type,
        protocol: request.protocol,
        assignments: assignments
            .map(|(member, assignment)| (*member, Bytes::copy_from_slice(assignment)))
            .collect(),
    };
    let synced = if request.group.is_empty() {
        Err(ResponseError::InvalidGroupId)
    } else {
        let groups = cluster.groups();
        groups.sync(request.group, sync, client.interrupted).await
    };
    let response = match synced {
        Ok(synced) => {
            let response = SyncGroupResponse::default().with_assignment(synced.assignment);
            if version >= 5 {
                response
                    .with_protocol_type(Some(str_bytes(&synced.protocol_type)))
                    .with_protocol_name(Some(str_bytes(&synced.protocol)))
            } else {
                response
            }
        }
        Err(error) => SyncGroupResponse::default().with_error_code(error.code()),
    };
    reply.send(&response)
}
