//! Answers to requests that wait for their group.

use bytes::Bytes;
use kafka_protocol::error::ResponseError;

/// Identifies a request that waits for its group.
pub type Ticket = u64;

/// The answer to a waiting request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Joined(Result<Joined, Refused>),
    Synced(Result<Synced, ResponseError>),
}

/// The result of joining a new generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    pub generation: i32,
    pub protocol_type: String,
    /// The assignment protocol that all members support.
    pub protocol: String,
    /// Id of the leader.
    pub leader: String,
    /// Id of the member that joined.
    pub member: String,
    /// All members; empty except for the leader.
    pub members: Vec<JoinedMember>,
    /// Whether the previous assignment stays valid, so that the leader need not assign.
    pub skip_assignment: bool,
}

/// A member, for the leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinedMember {
    pub id: String,
    /// Instance id of a static member.
    pub instance_id: Option<String>,
    /// Metadata for the leader, such as the subscription.
    pub metadata: Bytes,
}

/// The reason why a member cannot join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub error: ResponseError,
    /// Id to join with, if the reason is that one is required.
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

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synced {
    pub protocol_type: String,
    /// The assignment protocol that all members support.
    pub protocol: String,
    pub assignment: Bytes,
}
