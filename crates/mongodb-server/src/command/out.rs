//! `$out`: replaces a collection by the documents of a pipeline.

use std::collections::BTreeMap;

use crate::aggregation::{Context, OutSpec, Stage};
use crate::bson::{Builder, Doc};
use crate::command::insert::insert_all;
use crate::command::{Shared, time_series};
use crate::engine::{
    CollectionOptions, Index, IndexSpec, Namespace, Position, Writer, random_uuid,
};
use crate::error::{Code, CommandError};
use crate::faults::Fault;

/// Documents per insert.
const BATCH: usize = 1_000;

/// Bytes after which a batch is inserted.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Replaces the target at once, when all documents are computed; keeps its options and indexes.
/// Returns the position up to which the log must be synced.
pub fn replace(
    shared: &Shared,
    context: &Context,
    spec: &OutSpec,
    stage: &mut dyn Stage,
) -> Result<Position, CommandError> {
    let (options, indexes) = description(shared, spec)?;
    let temporary = Namespace {
        database: spec.target.database.clone(),
        collection: format!("tmp.agg_out.{:032x}", u128::from_be_bytes(random_uuid())),
    };
    let collection = shared.engine.create(&temporary, options)?;
    if indexes.is_empty()
        && let Some(index) = time_series::default_index(&collection)?
    {
        shared.engine.create_index(&collection, &index)?;
    }
    let written = (|| {
        for index in &indexes {
            shared.engine.create_index(&collection, index)?;
        }
        let position = write_all(shared, context, &temporary, stage)?;
        shared.engine.rename(&temporary, &spec.target, true)?;
        Ok(position)
    })();
    if written.is_err() {
        // The first error counts.
        let _dropped = shared.engine.drop_collection(&temporary);
    }
    written
}

/// Returns the options and the indexes of the target.
fn description(
    shared: &Shared,
    spec: &OutSpec,
) -> Result<(CollectionOptions, Vec<IndexSpec>), CommandError> {
    let target = &spec.target;
    let given = spec.time_series.as_deref().map(|options| {
        let options = Builder::new().document("timeseries", time_series::parse(Doc::new(options))?);
        Ok::<_, CommandError>(CollectionOptions(Some(options.finish())))
    });
    let given = given.transpose()?;
    let Some(collection) = shared.engine.collection(target) else {
        return Ok((given.unwrap_or_default(), Vec::new()));
    };
    let (options, indexes) = collection.with_state(|state| {
        let indexes = state.indexes.iter().map(Index::spec).cloned();
        (state.options.clone(), indexes.collect())
    });
    if options.is_view() {
        let message = format!("Namespace {target} is a view, not a collection");
        return Err(CommandError::new(
            Code::COMMAND_NOT_SUPPORTED_ON_VIEW,
            message,
        ));
    }
    if options.is_capped() {
        let message = format!("namespace '{target}' is capped so it can't be used for $out");
        return Err(CommandError::location(17_152, message));
    }
    if given.is_some_and(|given| series_of(&given) != series_of(&options)) {
        return Err(if options.is_time_series() {
            let message = "$out cannot change the time series options of an existing collection";
            CommandError::location(7_406_103, message)
        } else {
            let message = "$out with timeseries options needs a time series collection";
            CommandError::location(7_268_700, message)
        });
    }
    Ok((options, indexes))
}

/// Returns the options of a time series, in the order of their names.
fn series_of(options: &CollectionOptions) -> Option<BTreeMap<String, String>> {
    let options = options.0.as_deref().map(Doc::new)?;
    let series = options.get("timeseries")?;
    let series = series.as_document()?;
    let fields = series.elements();
    Some(
        fields
            .map(|field| (field.name().to_owned(), field.value().to_string()))
            .collect(),
    )
}

fn write_all(
    shared: &Shared,
    context: &Context,
    target: &Namespace,
    stage: &mut dyn Stage,
) -> Result<Position, CommandError> {
    let mut position = Position::default();
    loop {
        let mut rows = Vec::new();
        let mut bytes = 0;
        while rows.len() < BATCH
            && bytes < BATCH_BYTES
            && let Some(row) = stage.next(context)?
        {
            bytes += row.document.len();
            rows.push(row);
        }
        if rows.is_empty() {
            return Ok(position);
        }
        let documents: Vec<Doc<'_>> = rows.iter().map(|row| row.doc()).collect();
        let mut inserted = insert_all(
            shared,
            target,
            &documents,
            true,
            &Fault::default(),
            Writer {
                bypass: context.bypass,
                ..shared.engine.writer()
            },
        )?;
        if let Some((_, error)) = inserted.errors.pop() {
            return Err(error);
        }
        position = position.max(inserted.position);
    }
}
