//! Who sends a request to a coordinator.

/// Generation of a client that is no member.
pub const NO_GENERATION: i32 = -1;

/// Who sends a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub member_id: String,
    pub generation: i32,
    pub instance: Option<String>,
}

impl Default for Identity {
    /// A client that is no member.
    fn default() -> Self {
        Self {
            member_id: String::new(),
            generation: NO_GENERATION,
            instance: None,
        }
    }
}
