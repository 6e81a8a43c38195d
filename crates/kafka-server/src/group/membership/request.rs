//! Requests to a group.

use bytes::Bytes;

use crate::group::member::Profile;

#[derive(Debug, Clone)]
pub struct Join {
    /// The member id is empty on the first join.
    pub profile: Profile,
    /// Id for a new member.
    pub fresh_id: String,
    /// Such as `consumer` or `connect`.
    pub protocol_type: String,
    /// Whether a new client must join again with the id that it gets.
    pub id_required: bool,
    /// Whether the client supports skipping the assignment.
    pub can_skip_assignment: bool,
}

/// A member in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity<'a> {
    pub member: &'a str,
    /// Instance id of a static member.
    pub instance: Option<&'a str>,
}

/// A request for the assignment; that of the leader brings the assignments.
#[derive(Debug, Clone)]
pub struct Sync<'a> {
    pub identity: Identity<'a>,
    pub generation: i32,
    /// Protocol type as far as the member knows.
    pub protocol_type: Option<&'a str>,
    /// Protocol as far as the member knows.
    pub protocol: Option<&'a str>,
    /// Assignments by member.
    pub assignments: Vec<(&'a str, Bytes)>,
}
