//! `DescribeGroups`: the members of groups and their assignments.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_DescribeGroups>
//! - KIP-1043 (unknown groups are an error since version 6)

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::GroupId;
use kafka_protocol::messages::describe_groups_response::{
    DescribeGroupsResponse, DescribedGroup, DescribedGroupMember,
};

use crate::api::operations;
use crate::api::str_bytes::str_bytes;
use crate::cluster::Cluster;
use crate::reply::{Error, Reply};
use crate::wire::{self, Reader};

const ERROR_IF_UNKNOWN_SINCE: i16 = 6;

#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    pub groups: Vec<&'a str>,
    /// Whether to list what the client may do.
    pub authorized_operations: bool,
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, version: i16) -> Result<Self, wire::Error> {
        let groups = reader.array(Reader::string)?;
        let authorized_operations = version >= 3 && reader.bool()?;
        reader.tags()?;
        Ok(Self {
            groups,
            authorized_operations,
        })
    }
}

pub fn answer(cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let version = reply.version();
    // A repeated name is described once: it must not multiply the response.
    let mut wanted = request.groups.clone();
    wanted.sort_unstable();
    wanted.dedup();
    let operations = if request.authorized_operations {
        operations::GROUP
    } else {
        operations::NOT_ASKED
    };
    let groups = wanted
        .into_iter()
        .map(|id| describe(cluster, id, version).with_authorized_operations(operations));
    reply.send(&DescribeGroupsResponse::default().with_groups(groups.collect()))
}

fn describe(cluster: &Cluster, id: &str, version: i16) -> DescribedGroup {
    let response = DescribedGroup::default().with_group_id(GroupId(str_bytes(id)));
    let Some(description) = cluster.groups().describe(id) else {
        let response = response.with_group_state(str_bytes("Dead"));
        if version < ERROR_IF_UNKNOWN_SINCE {
            return response;
        }
        return response
            .with_error_code(ResponseError::GroupIdNotFound.code())
            .with_error_message(Some(str_bytes("the group does not exist")));
    };
    let members = description.members.into_iter().map(|member| {
        let described = DescribedGroupMember::default()
            .with_member_id(str_bytes(&member.id))
            .with_client_id(str_bytes(&member.client_id))
            .with_client_host(str_bytes(&member.client_host))
            .with_member_metadata(member.metadata)
            .with_member_assignment(member.assignment);
        let instance = member.instance_id.filter(|_| version >= 4);
        described.with_group_instance_id(instance.map(|name| str_bytes(&name)))
    });
    response
        .with_group_state(str_bytes(description.listing.state))
        .with_protocol_type(str_bytes(&description.listing.protocol_type))
        .with_protocol_data(str_bytes(&description.protocol))
        .with_members(members.collect())
}
