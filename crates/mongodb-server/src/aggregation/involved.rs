//! The other collections that a pipeline reads.

use crate::aggregation::spec::StageSpec;
use crate::engine::Namespace;

/// Returns the names of the collections and views that stages read besides their own.
pub fn involved(stages: &[StageSpec]) -> Vec<Namespace> {
    let mut names = Vec::new();
    for stage in stages {
        match stage {
            StageSpec::Lookup(spec) => {
                names.push(spec.from.clone());
                let inner = spec.pipeline.as_ref();
                names.extend(inner.into_iter().flat_map(|inner| involved(&inner.stages)));
            }
            StageSpec::GraphLookup(spec) => names.push(spec.from.clone()),
            StageSpec::UnionWith(spec) => {
                names.push(spec.from.clone());
                names.extend(involved(&spec.stages));
            }
            StageSpec::Facet(facets) => {
                names.extend(facets.iter().flat_map(|(_, stages)| involved(stages)));
            }
            _ => {}
        }
    }
    names
}
