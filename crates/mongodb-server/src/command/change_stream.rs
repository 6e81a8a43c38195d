//! `aggregate` with `$changeStream`.

use crate::aggregation::{PipelineScope, Stage, build, parse_pipeline};
use crate::bson::{ArrayBuilder, Doc, Element, Value};
use crate::change_stream::{ChangeStream, KeepsToken, Options, Watched};
use crate::command::cursors::Tail;
use crate::command::{Call, Shared};
use crate::engine::Namespace;
use crate::error::{Code, CommandError};

/// Stages that may follow `$changeStream`.
const STAGES: &[&str] = &[
    "$addFields",
    "$match",
    "$project",
    "$redact",
    "$replaceRoot",
    "$replaceWith",
    "$set",
    "$unset",
];

/// Returns whether a pipeline begins with `$changeStream`.
pub fn is_stream(pipeline: Doc<'_>) -> bool {
    first_stage(pipeline).is_some()
}

fn first_stage(pipeline: Doc<'_>) -> Option<Value<'_>> {
    let stage = pipeline.elements().next()?.doc()?;
    stage.get("$changeStream")
}

/// Opens a change stream; returns its stages, and what the cursor must know of it.
pub fn open(
    shared: &Shared,
    call: &Call<'_>,
    namespace: &Namespace,
    pipeline: Doc<'_>,
    scope: PipelineScope<'_>,
) -> Result<(Box<dyn Stage>, Tail), CommandError> {
    let Some(oplog) = shared.engine.oplog() else {
        let message = "The $changeStream stage is only supported on replica sets";
        return Err(CommandError::location(40_573, message));
    };
    check_read_concern(call)?;
    let spec = first_stage(pipeline);
    let spec = spec.as_ref().and_then(Value::as_document).ok_or_else(|| {
        let message = "the $changeStream stage must be specified as an object";
        CommandError::location(50_808, message)
    })?;
    let watched = match call.body.get(call.name) {
        Some(Value::String(_)) => Watched::Collection(namespace.clone()),
        _ => Watched::Database(call.database.to_owned()),
    };
    let options = Options::parse(spec, watched)?;
    let mut rest = ArrayBuilder::default();
    for stage in pipeline.elements().skip(1) {
        let name = stage.doc().and_then(|stage| stage.elements().next());
        let name = name.map(Element::name).unwrap_or_default();
        if name == "$changeStream" {
            let message = "$changeStream is only valid as the first stage in a pipeline";
            return Err(CommandError::location(40_602, message));
        }
        if name == "$changeStreamSplitLargeEvent" {
            return Err(CommandError::unsupported(name));
        }
        if !STAGES.contains(&name) && name.starts_with('$') {
            // An unknown stage has an error of its own.
            parse_pipeline(Doc::new(&only(&stage.value())), scope)?;
            let message = format!("{name} is not permitted in a $changeStream pipeline");
            return Err(CommandError::new(Code::ILLEGAL_OPERATION, message));
        }
        rest.push(&stage.value());
    }
    let stages = parse_pipeline(Doc::new(&rest.finish()), scope)?;
    let stream = ChangeStream::open(options, oplog)?;
    let progress = stream.progress();
    let stage = Box::new(KeepsToken {
        input: build(stages, Box::new(stream)),
        progress: progress.clone(),
    });
    Ok((stage, Tail::stream(progress)))
}

/// Rejects read concerns that a stream does not have.
fn check_read_concern(call: &Call<'_>) -> Result<(), CommandError> {
    let level = call
        .document("readConcern")?
        .and_then(|concern| concern.get("level"));
    match level.as_ref().and_then(Value::as_str) {
        None | Some("majority") => Ok(()),
        Some(level) => Err(CommandError::new(
            Code::INVALID_OPTIONS,
            format!(
                "Aggregation stage $changeStream cannot run with a readConcern other than \
                 'majority'. Current readConcern: {{ level: \"{level}\" }}"
            ),
        )),
    }
}

fn only(stage: &Value<'_>) -> Vec<u8> {
    let mut pipeline = ArrayBuilder::default();
    pipeline.push(stage);
    pipeline.finish()
}
