//! The connection after a response.

/// What happens to the connection after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The next request is waited for.
    GoOn,
    /// It is closed once the answer was sent.
    Close,
}
