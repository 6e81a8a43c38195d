//! What commands with several trials share.

mod deadline;

pub use deadline::Deadline;
