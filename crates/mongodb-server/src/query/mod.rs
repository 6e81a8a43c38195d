//! What clients ask of documents, compiled once and run on bytes: filters, order, shape, changes.
//!
//! Pure: nothing here knows of collections, files or connections.

pub mod expression;
pub mod filter;
pub mod number;
pub mod parse_filter;
pub mod parse_projection;
pub mod path;
pub mod position;
pub mod projection;
pub mod regex;
pub mod slice;
pub mod sort;
pub mod tuples;
pub mod update;

pub use expression::Expression;
pub use filter::Filter;
pub use path::Path;
pub use projection::Projection;
pub use sort::SortSpec;
