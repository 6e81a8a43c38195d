//! Transactions: transactional ids, their producers, and how transactions end.
//!
//! ```text
//!  api/end_txn … ─▶ Coordinator ─▶ Transaction (state machine, one per transactional id)
//!                       │  └─────▶ journal     (state, on disk)
//!                       └────────▶ Effects     (markers in partitions, offsets of groups)
//! ```
//!
//! A transaction that ends is first noted in the journal with its outcome; then its markers are
//! written and its offsets committed; then it is noted as complete. The next start finishes what a
//! kill interrupted in between.
//!
//! # References
//!
//! - KIP-98 (transactions), KIP-360 (producers that raise their epoch), KIP-447 (offsets of groups)

mod book;
mod coordinator;
mod effects;
mod journal;
mod recovery;
mod transaction;

pub use coordinator::Coordinator;
pub use effects::Effects;
pub use recovery::Located;
pub use transaction::{Header, Partitions, Producer, State, Transaction};
