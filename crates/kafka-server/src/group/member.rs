//! A member of a group: identity, assignment protocols, assignment.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::group::answer::Ticket;
use crate::wire::{self, Reader};

#[derive(Debug, Clone)]
pub struct Member {
    pub profile: Profile,
    /// Assignment in the current generation.
    pub assignment: Bytes,
    /// When the member is evicted without a heartbeat, on the coordinator's clock.
    pub session_deadline: u64,
    /// A waiting join request.
    pub joining: Option<Ticket>,
    /// A waiting request for the assignment.
    pub syncing: Option<Ticket>,
    /// Whether the member has requested its assignment in the current generation.
    pub synced: bool,
}

/// What a member states when it joins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Id assigned by the coordinator.
    pub id: String,
    /// Instance id of a static member, configured by its user.
    pub instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    /// Nanoseconds without a heartbeat after which the member is evicted.
    pub session_timeout: u64,
    /// Nanoseconds that the member may take to join a rebalance.
    pub rebalance_timeout: u64,
    /// Assignment protocols in order of preference.
    pub protocols: Vec<Protocol>,
}

/// An assignment protocol that a member supports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protocol {
    pub name: String,
    /// Metadata for the leader, such as the subscription; opaque to the broker.
    #[serde(with = "crate::group::base64_bytes")]
    pub metadata: Bytes,
}

impl Profile {
    /// Returns about how many bytes the profile takes.
    pub fn bytes(&self) -> usize {
        let protocols = self.protocols.iter();
        let protocols: usize = protocols
            .map(|protocol| protocol.name.len() + protocol.metadata.len() + size_of::<Protocol>())
            .sum();
        size_of::<Self>() + self.id.len() + self.client_id.len() + protocols
    }
}

impl Member {
    /// Returns a member whose session starts now.
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

    /// Restarts the session timeout.
    pub fn touch(&mut self, now: u64) {
        self.session_deadline = now.saturating_add(self.profile.session_timeout);
    }

    /// Returns the metadata for a protocol; empty if the member does not support it.
    pub fn metadata(&self, protocol: &str) -> Bytes {
        let mut protocols = self.profile.protocols.iter();
        protocols
            .find(|known| known.name == protocol)
            .map(|known| known.metadata.clone())
            .unwrap_or_default()
    }

    pub fn supports(&self, protocol: &str) -> bool {
        let mut protocols = self.profile.protocols.iter();
        protocols.any(|known| known.name == protocol)
    }
}

/// Decodes the topics of a consumer's subscription from its metadata.
pub fn subscribed_topics(metadata: &[u8]) -> Result<Vec<&str>, wire::Error> {
    let mut reader = Reader::new(metadata);
    let _version = reader.i16()?;
    reader.array(Reader::string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_of_a_subscription_are_decoded() {
        let metadata = [0, 1, 0, 0, 0, 2, 0, 1, b'a', 0, 2, b'b', b'c', 0xff, 0xff];
        assert_eq!(subscribed_topics(&metadata), Ok(vec!["a", "bc"]));
        assert!(subscribed_topics(&metadata[..9]).is_err());
    }
}
