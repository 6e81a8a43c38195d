//! The state of the registry while one request is handled.

use crate::checker::Checker;
use crate::state::State;

/// The state and the checker, while one request is handled.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) state: &'a State,
    pub(super) checker: &'a Checker,
}
