//! A member of a group: who it is, which assignment protocols it speaks, what it was assigned.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::group::answer::Ticket;
use crate::wire::{self, Reader};

/// One member.
#[derive(Debug, Clone)]
pub struct Member {
    /// What it is and wants.
    pub profile: Profile,
    /// What the leader gave it in the current generation.
    pub assignment: Bytes,
    /// When it is given up unless it is heard of, on the clock of the coordinator.
    pub session_deadline: u64,
    /// The request that waits for all members to join.
    pub joining: Option<Ticket>,
    /// The request that waits for the leader's assignment.
    pub syncing: Option<Ticket>,
    /// Whether it has asked for its assignment in the current generation.
    pub synced: bool,
}

/// What a member says of itself when it joins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Its id, given by the coordinator.
    pub id: String,
    /// The name that survives its restarts, given by its user.
    pub instance_id: Option<String>,
    /// Name of the client.
    pub client_id: String,
    /// Where it connects from.
    pub client_host: String,
    /// Nanoseconds of silence after which it is given up.
    pub session_timeout: u64,
    /// Nanoseconds it may take to join a rebalance.
    pub rebalance_timeout: u64,
    /// Assignment protocols it speaks, best first, each with metadata only its peers understand.
    pub protocols: Vec<Protocol>,
}

/// An assignment protocol that a member speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protocol {
    /// Its name.
    pub name: String,
    /// What the member tells the leader.
    #[serde(with = "crate::group::base64_bytes")]
    pub metadata: Bytes,
}

impl Member {
    /// Returns a member that was heard of just now.
    pub fn new(profile: Profile, now: u64) -> Self {
        let mut member = Self {
            profile,
            assignment: Bytes::new(),
            session_deadline: 0,
            joining: None,
            syncing: None,
            synced: false,
        };
        member.touch(now);
        member
    }

    /// Notes that the member was heard of.
    pub fn touch(&mut self, now: u64) {
        self.session_deadline = now.saturating_add(self.profile.session_timeout);
    }

    /// Returns the metadata for a protocol; empty if it does not speak it.
    pub fn metadata(&self, protocol: &str) -> Bytes {
        let mut protocols = self.profile.protocols.iter();
        protocols
            .find(|known| known.name == protocol)
            .map(|known| known.metadata.clone())
            .unwrap_or_default()
    }

    /// Whether it speaks a protocol.
    pub fn speaks(&self, protocol: &str) -> bool {
        let mut protocols = self.profile.protocols.iter();
        protocols.any(|known| known.name == protocol)
    }
}

/// Returns the topics of a consumer's subscription, as its metadata tells them.
pub fn subscribed_topics(metadata: &[u8]) -> Result<Vec<&str>, wire::Error> {
    let mut reader = Reader::new(metadata);
    let _version = reader.i16()?;
    reader.array(Reader::string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_tells_its_topics() {
        let metadata = [0, 1, 0, 0, 0, 2, 0, 1, b'a', 0, 2, b'b', b'c', 0xff, 0xff];
        assert_eq!(subscribed_topics(&metadata), Ok(vec!["a", "bc"]));
        assert!(subscribed_topics(&metadata[..9]).is_err());
    }
}
