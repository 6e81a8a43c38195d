//! Removes expired documents, by indexes with `expireAfterSeconds`.

use crate::aggregation::{Context, Selection};
use crate::bson::Value;
use crate::command::Shared;
use crate::command::delete::remove;
use crate::command::update::now_ms;
use crate::engine::IndexSpec;
use crate::error::CommandError;
use crate::query::{Comparison, Filter, Path, Test};

/// Removes the expired documents of all collections; returns their number.
pub fn expire(shared: &Shared) -> Result<usize, CommandError> {
    let context = Context {
        bypass: false,
        spills: true,
        engine: std::sync::Arc::clone(&shared.engine),
        clock: shared.clock,
        now_ms: now_ms(),
        deadline: None,
        stopping: shared.stopping.clone(),
        left: None,
        session: None,
    };
    let writer = shared.engine.writer();
    let mut count = 0;
    for collection in shared.engine.collections() {
        let (namespace, specs, series, clustered) = collection.with_state(|state| {
            let specs = state.indexes.iter().map(|index| index.spec().clone());
            let series = state.options.time_series();
            let clustered = state.options.clustered_expiry();
            let namespace = state.namespace.clone();
            (namespace, specs.collect::<Vec<_>>(), series, clustered)
        });
        let old = series.and_then(|series| {
            let seconds = series.expire_after_seconds?;
            Some(due(&Path::new(&series.time_field), seconds, context.now_ms))
        });
        let by_id = clustered.map(|seconds| due(&Path::new("_id"), seconds, context.now_ms));
        let indexed = specs.iter();
        let indexed = indexed.filter_map(|spec| expired(spec, context.now_ms));
        for filter in indexed.chain(old).chain(by_id) {
            let selection = Selection::new(filter);
            count += remove(shared, &namespace, &context, selection, None, writer)?.0;
        }
    }
    Ok(count)
}

/// Returns the filter of an index's expired documents; `None` if the index does not expire any.
fn expired(spec: &IndexSpec, now_ms: i64) -> Option<Filter> {
    let seconds = spec.expire_after_seconds?;
    let (path, _) = spec.fields.first()?;
    let due = due(path, seconds, now_ms);
    let indexed = spec.partial.clone().unwrap_or_default();
    Some(Filter::And(vec![due, indexed]))
}

/// Returns the filter of documents whose date is more than a number of seconds ago.
fn due(path: &Path, seconds: i64, now_ms: i64) -> Filter {
    let limit = now_ms.saturating_sub(seconds.saturating_mul(1_000));
    Filter::Field {
        path: path.clone(),
        test: Test::Compare(Comparison::Less, Value::DateTime(limit)),
    }
}
