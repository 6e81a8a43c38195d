//! Updates: operators such as `$set`, replacements, and aggregation stages.
//!
//! ```text
//!  BSON ─ parse ─▶ Update ─ apply(document) ─▶ document
//!                    │
//!                    ├─ Replace
//!                    ├─ Modify ──▶ Modification = UpdatePath + Operator, on a tree of Slots
//!                    └─ Pipeline ─▶ Step
//! ```
//!
//! # References
//!
//! <https://www.mongodb.com/docs/manual/reference/operator/update/>

mod array_operators;
mod compiled;
mod conflicts;
mod context;
mod describe;
mod fields;
mod modification;
mod number_operators;
mod operators;
mod paths;
mod step;
mod tree;
mod upsert;
mod work;

pub use compiled::Update;
pub use context::UpdateContext;
pub use tree::set_field;

#[cfg(test)]
mod tests;
