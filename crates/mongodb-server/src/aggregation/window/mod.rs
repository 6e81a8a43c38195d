//! `$setWindowFields`: fields that are computed from the documents around each document.
//!
//! ```text
//!  BSON ─ parse ─▶ WindowSpec ─ stage: sort, split into partitions
//!                                  │
//!                  for each output ├─ range: the window of each document
//!                                  └─ rank, shift, series … or an accumulator over the window:
//!                                     cumulative (only grows), sliding (values leave it)
//! ```
//!
//! # References
//!
//! <https://www.mongodb.com/docs/manual/reference/operator/aggregation/setWindowFields/>

mod bounds;
mod parse;
mod running;
mod series;
mod sliding;
mod spec;
mod stage;

pub use parse::parse_window_fields;
pub use spec::WindowSpec;
pub use stage::SetWindowFields;
