//! `ListGroups`: the groups and their states.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_ListGroups>
//! - KIP-518 (states since version 4), KIP-848 (types since version 5)

use kafka_protocol::messages::GroupId;
use kafka_protocol::messages::list_groups_response::{ListGroupsResponse, ListedGroup};

use crate::api::str_bytes::str_bytes;
use crate::cluster::Cluster;
use crate::group::Listing;
use crate::reply::{Error, Reply};
use crate::wire::{self, Reader};

/// The only type of group that is supported.
const CLASSIC: &str = "classic";

/// Filters; an empty filter accepts every group.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Request<'a> {
    pub states: Vec<&'a str>,
    pub types: Vec<&'a str>,
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, version: i16) -> Result<Self, wire::Error> {
        let mut request = Self::default();
        if version >= 4 {
            request.states = reader.array(Reader::string)?;
        }
        if version >= 5 {
            request.types = reader.array(Reader::string)?;
        }
        reader.tags()?;
        Ok(request)
    }

    fn accepts(&self, listing: &Listing) -> bool {
        let within = |names: &[&str], name: &str| {
            names.is_empty() || names.iter().any(|known| known.eq_ignore_ascii_case(name))
        };
        within(&self.states, listing.state) && within(&self.types, CLASSIC)
    }
}

pub fn answer(cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let version = reply.version();
    let listings = cluster.groups().list();
    let wanted = listings.iter().filter(|listing| request.accepts(listing));
    let groups = wanted.map(|listing| {
        let mut group = ListedGroup::default()
            .with_group_id(GroupId(str_bytes(&listing.id)))
            .with_protocol_type(str_bytes(&listing.protocol_type));
        if version >= 4 {
            group = group.with_group_state(str_bytes(listing.state));
        }
        if version >= 5 {
            group = group.with_group_type(str_bytes(CLASSIC));
        }
        group
    });
    reply.send(&ListGroupsResponse::default().with_groups(groups.collect()))
}
