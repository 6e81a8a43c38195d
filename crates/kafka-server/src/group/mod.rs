//! Consumer groups: who is a member, who was assigned what, and how far each partition was read.
//!
//! ```text
//!  api/join_group … ─▶ Coordinator ─▶ membership/ (state machine, one per group)
//!                          │  └─────▶ offsets    (what was committed)
//!                          └────────▶ journal    (both, on disk)
//! ```

mod coordinator;
mod description;
mod journal;
mod member;
mod membership;
mod offsets;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;

pub use self::coordinator::Coordinator;
pub use self::description::Listing;
pub use self::journal::Error as JournalError;
#[cfg(any(test, feature = "fuzzing"))]
pub use self::member::subscribed_topics;
pub use self::member::{Profile, Protocol};
pub use self::membership::{Identity, Join, Sync};
pub use self::offsets::Committed;

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

/// Keeps bytes in JSON.
mod base64_bytes {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        bytes: &Bytes,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(deserializer: D) -> Result<Bytes, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text).map_err(serde::de::Error::custom)?;
        Ok(Bytes::from(bytes))
    }
}
