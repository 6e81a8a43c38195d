//! The place of a pipeline: what it may refer to, and which stages it may have.

use crate::query::Environment;

/// Pipelines within each other.
pub const MAX_DEPTH: usize = 20;

/// The place of a pipeline, while it is compiled.
#[derive(Debug, Clone, Copy)]
pub struct PipelineScope<'a> {
    /// The database of collections that are named without one.
    pub database: &'a str,
    pub environment: &'a Environment,
    pub place: Place,
    /// Whether one of the pipelines around this one is that of a facet.
    pub in_facet: bool,
    /// Number of pipelines around this one.
    pub depth: usize,
}

/// What a pipeline is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Command,
    Facet,
    Lookup,
    Union,
    View,
}

impl<'a> PipelineScope<'a> {
    /// Returns the scope of a command's own pipeline.
    pub fn new(database: &'a str, environment: &'a Environment) -> Self {
        Self {
            database,
            environment,
            place: Place::Command,
            in_facet: false,
            depth: 0,
        }
    }

    /// Returns the scope of a view's pipeline.
    pub fn of_view(database: &'a str, environment: &'a Environment) -> Self {
        Self {
            place: Place::View,
            ..Self::new(database, environment)
        }
    }

    /// Returns the scope of a pipeline within this one.
    #[must_use]
    pub fn within(self, place: Place) -> Self {
        Self {
            place,
            in_facet: self.in_facet || place == Place::Facet,
            depth: self.depth + 1,
            ..self
        }
    }
}
