//! Consumer groups: members, assignments and committed offsets.
//!
//! ```text
//!  api/join_group … ─▶ Coordinator ─▶ membership/ (state machine, one per group)
//!                          │  └─────▶ offsets    (committed offsets)
//!                          └────────▶ journal    (both, on disk)
//! ```

mod answer;
mod base64_bytes;
mod coordinator;
mod description;
mod journal;
mod member;
mod membership;
mod offsets;
mod transactional;

pub use answer::{Joined, Refused};
pub use coordinator::Coordinator;
pub use description::Listing;
#[cfg(feature = "fuzzing")]
pub use member::subscribed_topics;
pub use member::{Profile, Protocol};
pub use membership::{Identity, Join, Sync};
pub use offsets::{Committed, Offsets};
