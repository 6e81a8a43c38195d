//! The common part of `AlterConfigs` and `IncrementalAlterConfigs`.

use crate::api::refusal::Refusal;
use crate::api::resource::{Owner, Resource};
use crate::cluster::Cluster;
use crate::config::{self, Overrides};
use crate::wire::{self, Reader};

/// Changes of settings, by resource.
#[derive(Debug, PartialEq, Eq)]
pub struct Alteration<'a, C> {
    pub resources: Vec<(Resource<'a>, Vec<C>)>,
    /// Check the changes without applying them.
    pub validate_only: bool,
}

impl<'a, C> Alteration<'a, C> {
    /// Decodes the body; `change` decodes one change.
    pub fn decode(
        reader: &mut Reader<'a>,
        mut change: impl FnMut(&mut Reader<'a>) -> Result<C, wire::Error>,
    ) -> Result<Self, wire::Error> {
        let resources = reader.array(|reader| {
            let resource = Resource::decode(reader)?;
            let changes = reader.array(|reader| {
                let change = change(reader)?;
                reader.tags()?;
                Ok(change)
            })?;
            reader.tags()?;
            Ok((resource, changes))
        })?;
        let validate_only = reader.bool()?;
        reader.tags()?;
        Ok(Self {
            resources,
            validate_only,
        })
    }

    /// Changes resource by resource: all settings of a resource, or none of them.
    pub fn apply<'r>(
        &'r self,
        cluster: &'r Cluster,
        apply: impl Fn(Owner<'_>, &[C], &mut Overrides) -> Result<(), config::Error> + 'r,
    ) -> impl Iterator<Item = (&'r Resource<'a>, Result<(), Refusal>)> {
        self.resources.iter().map(move |(resource, changes)| {
            let altered = resource.alter(cluster, self.validate_only, |owner, overrides| {
                apply(owner, changes, overrides)
            });
            (resource, altered)
        })
    }
}
