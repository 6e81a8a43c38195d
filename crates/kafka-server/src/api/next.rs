//! What happens to a connection after a response.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Wait for the next request.
    KeepOpen,
    /// Close the connection once the response is sent.
    Close,
}
