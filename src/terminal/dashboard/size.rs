//! Size of a terminal.

/// Size of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Width in characters.
    pub columns: usize,
    /// Height in lines.
    pub rows: usize,
}
