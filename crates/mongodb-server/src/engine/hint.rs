//! Hints: the index or the order that a client asks a query to use.

use crate::bson::{Doc, order};
use crate::engine::index_spec::IndexSpec;
use crate::query::{Direction, Path};

/// A hint of the client.
#[derive(Debug, Clone)]
pub enum Hint {
    /// The collection in the order of insertion, forward or backward.
    Natural(Direction),
    /// The index of this name.
    Name(String),
    /// The index with these fields.
    Fields(Vec<(String, Direction)>),
    /// The index with this key, if it is no ordinary one.
    Key(Vec<u8>),
}

impl Hint {
    /// Returns whether the hint names an index.
    pub fn names(&self, spec: &IndexSpec) -> bool {
        match self {
            Self::Natural(_) => false,
            Self::Name(name) => *name == spec.name,
            Self::Key(key) => {
                let known = spec.key_pattern();
                order::compare_docs(Doc::new(&known), Doc::new(key)).is_eq()
            }
            Self::Fields(fields) => {
                let same =
                    |((name, direction), (path, known)): (&(String, Direction), &(Path, _))| {
                        name == path.as_str() && direction == known
                    };
                fields.len() == spec.fields.len() && fields.iter().zip(&spec.fields).all(same)
            }
        }
    }
}
