//! Change streams: the entries of the oplog as events.
//!
//! ```text
//!  $changeStream ─ parse ─▶ Options
//!                             │
//!  oplog ─▶ ChangeStream ─▶ events ─▶ $match, $project … ─▶ KeepsToken ─▶ cursor
//!              └─ Progress: how far the stream has read, for the token after a batch
//! ```
//!
//! # References
//!
//! <https://www.mongodb.com/docs/manual/changeStreams/>,
//! <https://www.mongodb.com/docs/manual/reference/change-events/>

mod event;
mod options;
mod stage;
mod token;

pub use options::{Options, Watched};
pub use stage::{ChangeStream, KeepsToken, Progress};
