//! Answers to requests that wait for their group.

use bytes::Bytes;
use kafka_protocol::error::ResponseError;

/// Stands for a request that waits for its group.
pub type Ticket = u64;

/// What a waiting request is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To a request to join.
    Joined(Result<Joined, Refused>),
    /// To a request for an assignment.
    Synced(Result<Synced, ResponseError>),
}

/// A member's place in a new generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// Which generation.
    pub generation: i32,
    /// What the protocols are for.
    pub protocol_type: String,
    /// The protocol all members speak.
    pub protocol: String,
    /// Who assigns.
    pub leader: String,
    /// The id of the member itself.
    pub member: String,
    /// All members, told to the leader only.
    pub members: Vec<JoinedMember>,
    /// The leader need not assign again.
    pub skip_assignment: bool,
}

/// A member as the leader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinedMember {
    /// Its id.
    pub id: String,
    /// Its name that survives restarts.
    pub instance_id: Option<String>,
    /// What it tells the leader.
    pub metadata: Bytes,
}

/// Why a member was not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The reason.
    pub error: ResponseError,
    /// The id to come back with, where that is the reason.
    pub member_id: String,
}

impl From<ResponseError> for Refused {
    fn from(error: ResponseError) -> Self {
        Self {
            error,
            member_id: String::new(),
        }
    }
}

/// A member's assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synced {
    /// What the protocols are for.
    pub protocol_type: String,
    /// The protocol all members speak.
    pub protocol: String,
    /// What the leader assigned.
    pub assignment: Bytes,
}
