//! The selection of documents that reads of a collection begin with.

use crate::aggregation::sort::Sort;
use crate::aggregation::spec::StageSpec;
use crate::aggregation::stage::Stage;
use crate::aggregation::stages::{Limit, Skip, Step, Steps};
use crate::engine::{Engine, Hint, Namespace, Plan, Scan, Source, State, plan};
use crate::error::CommandError;
use crate::query::{Filter, SortSpec};

/// A selection of documents.
#[derive(Debug, Default)]
pub struct Selection {
    pub filter: Filter,
    pub sort: SortSpec,
    /// Number of documents to skip.
    pub skip: u64,
    /// Largest number of documents.
    pub limit: Option<u64>,
    pub hint: Option<Hint>,
}

impl Selection {
    /// Selects the documents that match a filter.
    pub fn new(filter: Filter) -> Self {
        Self {
            filter,
            ..Self::default()
        }
    }

    /// Plans how to find the documents. A missing collection has none.
    pub fn plan(&self, engine: &Engine, namespace: &Namespace) -> Result<Plan, CommandError> {
        self.plan_and(engine, namespace, |_, _| {})
    }

    fn plan_and(
        &self,
        engine: &Engine,
        namespace: &Namespace,
        look: impl FnOnce(&State, &Plan),
    ) -> Result<Plan, CommandError> {
        match engine.collection(namespace) {
            Some(collection) => collection.with_state(|state| {
                let plan = plan(state, &self.filter, &self.sort, self.hint.as_ref())?;
                look(state, &plan);
                Ok(plan)
            }),
            None => Ok(Plan {
                source: Source::Nothing,
                sorted: true,
                index: None,
            }),
        }
    }

    /// Returns the stages that find the documents.
    pub fn into_stage(
        self,
        engine: &Engine,
        namespace: &Namespace,
    ) -> Result<Box<dyn Stage>, CommandError> {
        let plan = self.plan_and(engine, namespace, |state, plan| {
            if let (Source::Index { name, .. }, Some(_)) = (&plan.source, &plan.index) {
                state.count_use(name);
            }
        })?;
        let collection = engine.collection(namespace);
        let wanted = self.limit.map(|limit| limit.saturating_add(self.skip));
        let scan = Scan::new(collection, plan.source, self.filter)
            .expecting(wanted.filter(|_| plan.sorted));
        let mut stage: Box<dyn Stage> = Box::new(scan);
        if !plan.sorted {
            stage = Box::new(Sort::new(stage, self.sort, wanted));
        }
        Ok(slice(stage, self.skip, self.limit))
    }

    /// Returns the stages that find the documents among those of another stage.
    pub fn among(self, mut stage: Box<dyn Stage>) -> Box<dyn Stage> {
        if !self.filter.is_all() {
            stage = Box::new(Steps {
                input: stage,
                steps: vec![Step::Match(self.filter)],
            });
        }
        let natural = matches!(self.sort.fields(), [(path, _)] if path.as_str() == "$natural");
        if !self.sort.is_empty() && !natural {
            let wanted = self.limit.map(|limit| limit.saturating_add(self.skip));
            stage = Box::new(Sort::new(stage, self.sort, wanted));
        }
        slice(stage, self.skip, self.limit)
    }
}

fn slice(mut stage: Box<dyn Stage>, skip: u64, limit: Option<u64>) -> Box<dyn Stage> {
    if skip > 0 {
        stage = Box::new(Skip {
            input: stage,
            count: skip,
        });
    }
    if let Some(left) = limit {
        stage = Box::new(Limit { input: stage, left });
    }
    stage
}

/// Moves `$match`, `$sort`, `$skip` and `$limit` at the start of a pipeline into the selection, so
/// that they can use an index. Returns the other stages.
pub fn push_down(stages: Vec<StageSpec>, selection: &mut Selection) -> Vec<StageSpec> {
    let mut stages = stages.into_iter().peekable();
    let mut filters = Vec::new();
    while let Some(StageSpec::Match(_)) = stages.peek() {
        if let Some(StageSpec::Match(filter)) = stages.next() {
            filters.push(filter);
        }
    }
    selection.filter = Filter::And(filters);
    if let Some(StageSpec::Sort(_)) = stages.peek()
        && let Some(StageSpec::Sort(sort)) = stages.next()
    {
        selection.sort = sort;
    }
    if let Some(&StageSpec::Skip(count)) = stages.peek() {
        stages.next();
        selection.skip = count;
    }
    if let Some(&StageSpec::Limit(count)) = stages.peek() {
        stages.next();
        selection.limit = Some(count);
    }
    stages.collect()
}
