//! `LeaveGroup`: removes members from a group.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_LeaveGroup>
//! - KIP-345 (several members since version 3)

use kafka_protocol::messages::leave_group_response::{LeaveGroupResponse, MemberResponse};

use crate::api::str_bytes::str_bytes;
use crate::cluster::Cluster;
use crate::group::Identity;
use crate::reply::{Error, Reply};
use crate::wire::{self, Reader};

const SEVERAL_MEMBERS_SINCE: i16 = 3;

#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    pub group: &'a str,
    pub members: Vec<Identity<'a>>,
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, version: i16) -> Result<Self, wire::Error> {
        let group = reader.string()?;
        let members = if version >= SEVERAL_MEMBERS_SINCE {
            reader.array(|reader| {
                let identity = Identity {
                    member: reader.string()?,
                    instance: reader.nullable_string()?,
                };
                if version >= 5 {
                    let _reason = reader.nullable_string()?;
                }
                reader.tags()?;
                Ok(identity)
            })?
        } else {
            vec![Identity {
                member: reader.string()?,
                instance: None,
            }]
        };
        reader.tags()?;
        Ok(Self { group, members })
    }
}

pub fn answer(cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let leave = |identity: &Identity<'_>| {
        let left = cluster.groups().leave(request.group, *identity);
        left.err().map_or(0, |error| error.code())
    };
    let codes: Vec<i16> = request.members.iter().map(leave).collect();
    if reply.version() < SEVERAL_MEMBERS_SINCE {
        let code = codes.first().copied().unwrap_or(0);
        return reply.send(&LeaveGroupResponse::default().with_error_code(code));
    }
    let members = request.members.iter().zip(codes).map(|(identity, code)| {
        MemberResponse::default()
            .with_member_id(str_bytes(identity.member))
            .with_group_instance_id(identity.instance.map(str_bytes))
            .with_error_code(code)
    });
    reply.send(&LeaveGroupResponse::default().with_members(members.collect()))
}
