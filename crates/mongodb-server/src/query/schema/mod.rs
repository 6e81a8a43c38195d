//! `$jsonSchema`: draft 4 of JSON Schema with BSON types, as MongoDB has it.
//!
//! ```text
//!  BSON ─ parse ─▶ Schema = Rules ─ accepts(value) ─▶ bool
//!                                └─ explain(value) ─▶ the rules that the value breaks, as errInfo
//! ```
//!
//! # References
//!
//! <https://www.mongodb.com/docs/manual/reference/operator/query/jsonSchema/>,
//! <https://datatracker.ietf.org/doc/html/draft-fge-json-schema-validation-00>

mod check;
mod explain;
mod parse;
mod rule;

pub use rule::Schema;
