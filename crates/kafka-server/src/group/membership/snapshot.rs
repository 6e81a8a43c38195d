//! The members of a group on disk.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::group::member::{Member, Profile};
use crate::group::membership::machine::Membership;
use crate::group::membership::state::State;

/// The members of a group, to be restored after a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    generation: i32,
    protocol_type: String,
    protocol: Option<String>,
    leader: Option<String>,
    members: Vec<SnapshotMember>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SnapshotMember {
    profile: Profile,
    #[serde(with = "crate::group::base64_bytes")]
    assignment: Bytes,
}

impl Membership {
    /// Returns a snapshot if the group changed since the last one.
    pub fn take_snapshot(&mut self) -> Option<Snapshot> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        Some(self.snapshot())
    }

    pub fn snapshot(&self) -> Snapshot {
        let members = self.members.values().map(|member| SnapshotMember {
            profile: member.profile.clone(),
            assignment: member.assignment.clone(),
        });
        Snapshot {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            members: members.collect(),
        }
    }

    /// Restores a group; the sessions of its members start now.
    pub fn restore(snapshot: Snapshot, now: u64, join_delay: u64) -> Self {
        let members = snapshot.members.into_iter().map(|stored| {
            let mut member = Member::new(stored.profile, now);
            member.assignment = stored.assignment;
            (member.profile.id.clone(), member)
        });
        let members: BTreeMap<String, Member> = members.collect();
        let state = if members.is_empty() {
            State::Empty
        } else {
            State::Stable
        };
        Self {
            state,
            generation: snapshot.generation,
            protocol_type: snapshot.protocol_type,
            protocol: snapshot.protocol,
            leader: snapshot.leader,
            members,
            ..Self::new(join_delay)
        }
    }
}
