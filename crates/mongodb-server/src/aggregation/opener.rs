//! How stages run pipelines on other collections and on their own documents.

use crate::aggregation::spec::StageSpec;
use crate::aggregation::stage::{Context, Stage};
use crate::engine::Namespace;
use crate::error::CommandError;

/// Opens a pipeline on a collection or view, for a stage that reads another collection.
pub type OpenPipeline =
    fn(&Context, &Namespace, Vec<StageSpec>) -> Result<Box<dyn Stage>, CommandError>;

/// Appends stages to an input, for a stage that runs a pipeline on its own documents.
pub type AppendStages = fn(Vec<StageSpec>, Box<dyn Stage>) -> Box<dyn Stage>;
