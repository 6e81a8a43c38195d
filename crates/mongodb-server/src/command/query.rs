//! The selection of documents that find, count, update and delete share.

use convoy_server_kit::unix_ms;

use crate::aggregation::{Context, Limit, Skip, Sort, Stage, StageSpec};
use crate::bson::{Doc, Kind, Value};
use crate::command::{Call, Shared};
use crate::engine::{Hint, Namespace, Plan, Scan, Source, State, plan};
use crate::error::CommandError;
use crate::query::{Direction, Filter, SortSpec};

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
    pub fn plan(&self, shared: &Shared, namespace: &Namespace) -> Result<Plan, CommandError> {
        self.plan_and(shared, namespace, |_, _| {})
    }

    fn plan_and(
        &self,
        shared: &Shared,
        namespace: &Namespace,
        look: impl FnOnce(&State, &Plan),
    ) -> Result<Plan, CommandError> {
        match shared.engine.collection(namespace) {
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
        shared: &Shared,
        namespace: &Namespace,
    ) -> Result<Box<dyn Stage>, CommandError> {
        let plan = self.plan_and(shared, namespace, |state, plan| {
            if let Source::Index { name, .. } = &plan.source {
                state.count_use(name);
            }
        })?;
        let collection = shared.engine.collection(namespace);
        let wanted = self.limit.map(|limit| limit.saturating_add(self.skip));
        let scan = Scan::new(collection, plan.source, self.filter)
            .expecting(wanted.filter(|_| plan.sorted));
        let mut stage: Box<dyn Stage> = Box::new(scan);
        if !plan.sorted {
            stage = Box::new(Sort::new(stage, self.sort, wanted));
        }
        if self.skip > 0 {
            stage = Box::new(Skip {
                input: stage,
                count: self.skip,
            });
        }
        if let Some(left) = self.limit {
            stage = Box::new(Limit { input: stage, left });
        }
        Ok(stage)
    }
}

/// Returns the context of a command's queries: clock and deadline.
pub fn context(shared: &Shared, call: &Call<'_>) -> Result<Context, CommandError> {
    let limit = call.natural("maxTimeMS")?.filter(|&limit| limit > 0);
    Ok(Context {
        engine: std::sync::Arc::clone(&shared.engine),
        stopping: shared.stopping.clone(),
        clock: shared.clock,
        now_ms: i64::try_from(unix_ms()).unwrap_or(i64::MAX),
        deadline: limit.map(|milliseconds| {
            let nanoseconds = milliseconds.saturating_mul(1_000_000);
            shared.clock.now().saturating_add(nanoseconds)
        }),
    })
}

/// Reads `hint`: a name, or the fields of an index.
pub fn parse_hint(hint: Option<Value<'_>>) -> Result<Option<Hint>, CommandError> {
    match hint {
        None => Ok(None),
        Some(Value::String(name)) => Ok(Some(Hint::Name(name.into_owned()))),
        Some(Value::Document(bytes)) => parse_hint_document(Doc::new(&bytes)),
        Some(_) => Err(CommandError::failed_to_parse(
            "Hint must be a string or an object",
        )),
    }
}

fn parse_hint_document(hint: Doc<'_>) -> Result<Option<Hint>, CommandError> {
    let mut fields = Vec::new();
    for element in hint.elements() {
        let direction = Direction::parse(&element.value());
        let wrong = || CommandError::bad_value("a hint's fields must be 1 or -1");
        let direction = direction
            .filter(|_| element.kind() != Kind::Bool)
            .ok_or_else(wrong)?;
        if element.name() == "$natural" {
            return Ok(Some(Hint::Natural(direction)));
        }
        fields.push((element.name().to_owned(), direction));
    }
    Ok((!fields.is_empty()).then_some(Hint::Fields(fields)))
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
