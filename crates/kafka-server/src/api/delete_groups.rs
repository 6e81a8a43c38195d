//! `DeleteGroups`: deletes groups without members.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_DeleteGroups>

use kafka_protocol::messages::GroupId;
use kafka_protocol::messages::delete_groups_response::{
    DeletableGroupResult, DeleteGroupsResponse,
};

use crate::api::str_bytes::str_bytes;
use crate::cluster::Cluster;
use crate::reply::{Error, Reply};
use crate::wire::{self, Reader};

#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    pub groups: Vec<&'a str>,
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, _version: i16) -> Result<Self, wire::Error> {
        let groups = reader.array(Reader::string)?;
        reader.tags()?;
        Ok(Self { groups })
    }
}

pub fn answer(cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let results = request.groups.iter().map(|id| {
        let deleted = cluster.groups().delete(id);
        DeletableGroupResult::default()
            .with_group_id(GroupId(str_bytes(id)))
            .with_error_code(deleted.err().map_or(0, |error| error.code()))
    });
    reply.send(&DeleteGroupsResponse::default().with_results(results.collect()))
}
