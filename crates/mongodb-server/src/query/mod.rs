//! Filters, sort orders, projections and updates: compiled once, then run on BSON bytes.
//!
//! Nothing here depends on collections, files or connections.

mod decimal;
mod direction;
mod environment;
mod expression;
mod field_path;
mod filter;
mod number;
mod parse_filter;
mod parse_operands;
mod parse_projection;
mod path;
mod position;
mod projection;
mod regex;
mod schema;
mod slice;
mod sort;
mod tuples;
mod update;
mod violation;

pub use decimal::{nearest_i64 as nearest_decimal, whole_i64 as whole_decimal};
pub use direction::Direction;
pub use environment::{Environment, Names};
pub use expression::{
    DateUnit, Expression, Percentiles, Scope, Sum, check_variable, is_missing, merge_into,
    null_if_missing, parse_percentiles, ranked,
};
pub use field_path::parse_field_path;
pub use filter::{Choices, Comparison, Filter, Test};
pub use number::{difference_of, product_of, quotient_of, saturated, sum_of};
pub use path::{Part, Path, array_index};
pub use projection::Projection;
pub use sort::SortSpec;
pub use tuples::{Tuples, encode_tuple};
pub use update::{Update, UpdateContext, set_field};
pub use violation::explain_violation;

#[cfg(test)]
mod filter_tests;
#[cfg(test)]
pub mod strategies;
