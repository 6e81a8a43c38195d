//! Groups in the responses of `ListGroups` and `DescribeGroups`.

use bytes::Bytes;

use crate::group::membership::{Membership, State};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    pub id: String,
    /// Empty if the group never had members.
    pub protocol_type: String,
    pub state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    pub listing: Listing,
    /// The assignment protocol; empty without members.
    pub protocol: String,
    pub members: Vec<DescribedMember>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedMember {
    pub id: String,
    /// Instance id of a static member.
    pub instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    /// Metadata for the leader, such as the subscription.
    pub metadata: Bytes,
    pub assignment: Bytes,
}

impl Listing {
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
