//! Aggregation expressions: values computed from documents.
//!
//! ```text
//!  BSON ─ parse ─▶ Expression ─ evaluate(Scope) ─▶ Value
//!           │                       │
//!           └─ functions (table) ───┴─▶ arithmetic, array, date, string, …
//! ```
//!
//! [`Value::Undefined`](crate::bson::Value::Undefined) stands for a missing value here. It is less
//! than null, and a document gets no field for it.
//!
//! # References
//!
//! <https://www.mongodb.com/docs/manual/reference/operator/aggregation/>

#![expect(clippy::unnecessary_wraps, reason = "all functions have one signature")]

mod arithmetic;
mod array;
mod boolean;
mod conversion;
mod date;
mod date_arithmetic;
mod date_parts;
mod date_text;
mod date_zone;
mod evaluate;
mod function;
mod functions;
mod node;
mod number_text;
mod object;
mod parse;
mod parse_arguments;
mod parse_percentiles;
mod parse_special;
mod percentiles;
mod rounding;
mod scope;
mod set;
mod string;
mod sum;
mod text_search;
mod values;

pub use date_arithmetic::DateUnit;
pub use node::Expression;
pub use object::merge_into;
pub use parse_percentiles::parse_percentiles;
pub use parse_special::check_variable;
pub use percentiles::{Percentiles, ranked};
pub use scope::Scope;
pub use sum::Sum;
pub use values::{is_missing, null_if_missing};

#[cfg(test)]
mod tests;
