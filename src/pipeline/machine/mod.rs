//! What decides: state machines of the guarantees, pure and synchronous.
//!
//! Each takes what happened and the time as arguments and says what is to be done next; the tasks
//! around them do it and report back. So every order of events can be played through without a
//! server: `tests` does, thousands of them, against a model that only counts.
//!
//! ```text
//!  producer ── Sending:   acked? sent again? split? set aside? given up?
//!  consumer ── Position:  does this offset follow the last one?
//!  writer ──── Writing:   wait, set aside, insert, move which checkpoint?
//!                ├ Batcher:  is a batch due?
//!                └ Prefix:   up to where is everything settled?
//!  all ─────── Attempts:  pause and try again, or give up?
//! ```
//!
//! Times are nanoseconds on the run's clock. A clock that steps back is taken as one that stands
//! still.

pub mod attempts;
pub mod batcher;
pub mod prefix;
pub mod sending;
pub mod writing;

#[cfg(test)]
mod tests;

pub use attempts::Attempts;
pub use batcher::Batcher;
pub use prefix::{Jump, Position, Prefix};
pub use sending::Sending;
pub use writing::Writing;
