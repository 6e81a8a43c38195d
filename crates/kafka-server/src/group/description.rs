//! Groups as they are listed and described.

use bytes::Bytes;

use crate::group::membership::{Membership, State};

/// A group in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Its id.
    pub id: String,
    /// What its protocols are for; empty if it never had members.
    pub protocol_type: String,
    /// Kafka's name of its state.
    pub state: &'static str,
}

/// A group and its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The group.
    pub listing: Listing,
    /// The protocol all members speak; empty without members.
    pub protocol: String,
    /// Its members.
    pub members: Vec<DescribedMember>,
}

/// A member of a described group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedMember {
    /// Its id.
    pub id: String,
    /// Its name that survives restarts.
    pub instance_id: Option<String>,
    /// Name of its client.
    pub client_id: String,
    /// Where it connects from.
    pub client_host: String,
    /// What it tells the leader.
    pub metadata: Bytes,
    /// What the leader assigned.
    pub assignment: Bytes,
}

impl Listing {
    /// Returns how a group is listed.
    pub fn new(id: &str, membership: &Membership) -> Self {
        Self {
            id: id.to_owned(),
            protocol_type: membership.protocol_type.clone(),
            state: match membership.state {
                State::Empty => "Empty",
                State::Preparing { .. } => "PreparingRebalance",
                State::Completing { .. } => "CompletingRebalance",
                State::Stable => "Stable",
            },
        }
    }
}

impl Description {
    /// Describes a group.
    pub fn new(id: &str, membership: &Membership) -> Self {
        let protocol = membership.protocol.clone().unwrap_or_default();
        let members = membership.members.iter();
        let members = members.map(|(id, member)| DescribedMember {
            id: id.clone(),
            instance_id: member.profile.instance_id.clone(),
            client_id: member.profile.client_id.clone(),
            client_host: member.profile.client_host.clone(),
            metadata: member.metadata(&protocol),
            assignment: member.assignment.clone(),
        });
        Self {
            listing: Listing::new(id, membership),
            members: members.collect(),
            protocol,
        }
    }
}
