//! `JoinGroup`: waits for the end of the rebalance; the leader receives the members.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_JoinGroup>
//! - KIP-345 (static members since version 5), KIP-394 (member id required since version 4),
//!   KIP-814 (skipped assignments since version 9)

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::join_group_response::{JoinGroupResponse, JoinGroupResponseMember};
use uuid::Uuid;

use crate::api::client::Client;
use crate::api::str_bytes::str_bytes;
use crate::cluster::Cluster;
use crate::group::{Join, Joined, Profile, Protocol, Refused};
use crate::reply::{Error, Reply};
use crate::wire::{self, Reader};

/// Longest session timeout: Kafka's own limit.
const MAX_SESSION_TIMEOUT: Duration = Duration::from_secs(30 * 60);

#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    pub group: &'a str,
    /// Milliseconds without a heartbeat after which the member is evicted.
    pub session_timeout_ms: i32,
    /// Milliseconds that the member may take to join a rebalance.
    pub rebalance_timeout_ms: i32,
    /// Member id; empty on the first join.
    pub member: &'a str,
    /// Instance id of a static member.
    pub instance: Option<&'a str>,
    /// Such as `consumer` or `connect`.
    pub protocol_type: &'a str,
    /// Assignment protocols with metadata, in order of preference.
    pub protocols: Vec<(&'a str, &'a [u8])>,
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, version: i16) -> Result<Self, wire::Error> {
        let group = reader.string()?;
        let session_timeout_ms = reader.i32()?;
        let rebalance_timeout_ms = if version >= 1 {
            reader.i32()?
        } else {
            session_timeout_ms
        };
        let member = reader.string()?;
        let instance = if version >= 5 {
            reader.nullable_string()?
        } else {
            None
        };
        let protocol_type = reader.string()?;
        let protocols = reader.array(|reader| {
            let protocol = (reader.string()?, reader.bytes()?);
            reader.tags()?;
            Ok(protocol)
        })?;
        if version >= 8 {
            let _reason = reader.nullable_string()?;
        }
        reader.tags()?;
        Ok(Self {
            group,
            session_timeout_ms,
            rebalance_timeout_ms,
            member,
            instance,
            protocol_type,
            protocols,
        })
    }

    fn join(
        &self,
        version: i16,
        client: &Client<'_>,
        min_session_timeout: Duration,
    ) -> Result<Join, ResponseError> {
        if self.group.is_empty() {
            return Err(ResponseError::InvalidGroupId);
        }
        let session_timeout = nanoseconds(self.session_timeout_ms)
            .filter(|timeout| {
                let permitted = min_session_timeout..=MAX_SESSION_TIMEOUT;
                permitted.contains(&Duration::from_nanos(*timeout))
            })
            .ok_or(ResponseError::InvalidSessionTimeout)?;
        let rebalance_timeout = nanoseconds(self.rebalance_timeout_ms).unwrap_or(session_timeout);
        let protocol = |&(name, metadata): &(&str, &[u8])| Protocol {
            name: name.to_owned(),
            metadata: Bytes::copy_from_slice(metadata),
        };
        let unique = uuid::Builder::from_random_bytes(rand::random()).into_uuid();
        Ok(Join {
            profile: Profile {
                id: self.member.to_owned(),
                instance_id: self.instance.map(str::to_owned),
                client_id: client.id.to_owned(),
                client_host: format!("/{}", client.address),
                session_timeout,
                rebalance_timeout,
                protocols: self.protocols.iter().map(protocol).collect(),
            },
            fresh_id: self.fresh_id(client, unique),
            protocol_type: self.protocol_type.to_owned(),
            id_required: version >= 4,
            can_skip_assignment: version >= 9,
        })
    }

    fn fresh_id(&self, client: &Client<'_>, unique: Uuid) -> String {
        format!("{}-{unique}", self.instance.unwrap_or(client.id))
    }
}

pub async fn answer(
    cluster: &Cluster,
    request: &Request<'_>,
    reply: Reply<'_>,
    client: Client<'_>,
) -> Result<(), Error> {
    let version = reply.version();
    let min_session_timeout = cluster.settings().group_min_session_timeout;
    let joined = match request.join(version, &client, min_session_timeout) {
        Ok(join) => {
            let groups = cluster.groups();
            groups.join(request.group, join, client.interrupted).await
        }
        Err(error) => Err(error.into()),
    };
    match joined {
        Ok(joined) => reply.send(&describe(joined, version)),
        Err(refused) => reply.send(&refuse(&refused, request, version)),
    }
}

fn describe(joined: Joined, version: i16) -> JoinGroupResponse {
    let members = joined.members.into_iter().map(|member| {
        let described = JoinGroupResponseMember::default()
            .with_member_id(str_bytes(&member.id))
            .with_metadata(member.metadata);
        let instance = member.instance_id.filter(|_| version >= 5);
        described.with_group_instance_id(instance.map(|name| str_bytes(&name)))
    });
    let response = JoinGroupResponse::default()
        .with_generation_id(joined.generation)
        .with_protocol_name(Some(str_bytes(&joined.protocol)))
        .with_leader(str_bytes(&joined.leader))
        .with_member_id(str_bytes(&joined.member))
        .with_members(members.collect())
        .with_skip_assignment(joined.skip_assignment);
    if version >= 7 {
        response.with_protocol_type(Some(str_bytes(&joined.protocol_type)))
    } else {
        response
    }
}

fn refuse(refused: &Refused, request: &Request<'_>, version: i16) -> JoinGroupResponse {
    let member = if refused.member_id.is_empty() {
        request.member
    } else {
        &refused.member_id
    };
    let protocol_name = (version < 7).then(|| str_bytes(""));
    JoinGroupResponse::default()
        .with_error_code(refused.error.code())
        .with_generation_id(-1)
        .with_protocol_name(protocol_name)
        .with_member_id(str_bytes(member))
}

fn nanoseconds(milliseconds: i32) -> Option<u64> {
    let milliseconds = u64::try_from(milliseconds).ok()?;
    (milliseconds > 0).then_some(milliseconds * 1_000_000)
}
