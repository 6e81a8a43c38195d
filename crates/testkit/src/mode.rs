//! Which kind of server a builder starts.

use std::fmt::Debug;

/// The builder's `start` is awaited.
#[derive(Debug, Clone, Copy)]
pub enum Async {}

/// The builder's `start` blocks.
#[derive(Debug, Clone, Copy)]
pub enum Blocking {}
