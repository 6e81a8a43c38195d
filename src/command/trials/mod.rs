//! What commands with several trials share.

mod deadline;
mod prepared;

pub use deadline::Deadline;
pub use prepared::{Prepared, start_testbed};
