//! Requests to a group.

use bytes::Bytes;

use crate::group::member::Profile;

/// A request to become or stay a member.
#[derive(Debug, Clone)]
pub struct Join {
    /// Who asks; the id is empty the first time.
    pub profile: Profile,
    /// The id to be given to a new member.
    pub fresh_id: String,
    /// What the protocols are for: `consumer`, `connect`.
    pub protocol_type: String,
    /// Whether the client has to come back with the id it was given.
    pub id_first: bool,
    /// Whether the client understands that no assignment is needed.
    pub can_skip_assignment: bool,
}

/// A member as a request names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity<'a> {
    /// Its id.
    pub member: &'a str,
    /// Its name that survives restarts.
    pub instance: Option<&'a str>,
}

/// A request for the assignment, with the assignments if it comes from the leader.
#[derive(Debug, Clone)]
pub struct Sync<'a> {
    /// Who asks.
    pub identity: Identity<'a>,
    /// In which generation.
    pub generation: i32,
    /// What it takes the protocol type to be.
    pub protocol_type: Option<&'a str>,
    /// What it takes the protocol to be.
    pub protocol: Option<&'a str>,
    /// By member.
    pub assignments: Vec<(&'a str, Bytes)>,
}
