//! Tailable cursors: queries of capped collections that wait for documents to come.

use crate::aggregation::{Limit, Selection, Skip, Stage};
use crate::command::cursors::Tail;
use crate::command::{Call, Shared};
use crate::engine::{Hint, Namespace, Scan, Source};
use crate::error::CommandError;
use crate::query::Direction;

/// Returns how a query waits for documents, if it is tailable.
pub fn tail(call: &Call<'_>, selection: &Selection) -> Result<Option<Tail>, CommandError> {
    let awaits = call.flag("awaitData")?.unwrap_or(false);
    if !call.flag("tailable")?.unwrap_or(false) {
        if awaits {
            let message = "Cannot set 'awaitData' without also setting 'tailable'";
            return Err(CommandError::failed_to_parse(message));
        }
        return Ok(None);
    }
    if call.flag("singleBatch")?.unwrap_or(false) {
        let message = "Cannot use tailable option with the 'singleBatch' option";
        return Err(CommandError::bad_value(message));
    }
    let forward = match selection.sort.fields() {
        [] => true,
        [(path, direction)] => path.as_str() == "$natural" && *direction == Direction::Ascending,
        _ => false,
    };
    if !forward || matches!(selection.hint, Some(Hint::Natural(Direction::Descending))) {
        let message = "cannot use tailable option with a sort other than {$natural: 1}";
        return Err(CommandError::bad_value(message));
    }
    Ok(Some(Tail::documents(awaits)))
}

/// Opens a tailable query. A collection without documents has none to wait after.
pub fn open(
    shared: &Shared,
    namespace: &Namespace,
    selection: Selection,
    tail: Tail,
) -> Result<(Box<dyn Stage>, Option<Tail>), CommandError> {
    let collection = shared.engine.collection(namespace);
    let Some(collection) = collection else {
        let nothing = Scan::new(None, Source::Nothing, selection.filter);
        return Ok((Box::new(nothing), None));
    };
    let (capped, empty) = collection.with_state(|state| {
        let capped = state.rules.capped.is_some();
        (capped, state.records.len() == 0)
    });
    if !capped {
        return Err(CommandError::bad_value(format!(
            "error processing query: ns={namespace} tailable cursor requested on non capped \
             collection"
        )));
    }
    let source = Source::Collection { reverse: false };
    let scan = Scan::new(Some(collection), source, selection.filter).tailing();
    let mut stage: Box<dyn Stage> = Box::new(scan);
    if selection.skip > 0 {
        stage = Box::new(Skip {
            input: stage,
            count: selection.skip,
        });
    }
    if let Some(left) = selection.limit {
        stage = Box::new(Limit { input: stage, left });
    }
    Ok((stage, Some(tail).filter(|_| !empty)))
}
