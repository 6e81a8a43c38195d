//! The inputs of an update beside the document.

/// The inputs, beside the document, that the result of an update depends on.
#[derive(Debug, Clone, Copy)]
pub struct UpdateContext {
    /// Milliseconds since 1970.
    pub now_ms: i64,
    /// Whether an upsert is about to insert the document.
    pub inserting: bool,
    /// Index of the array element that `$` in an update path stands for.
    pub position: Option<usize>,
}
