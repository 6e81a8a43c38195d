//! Frees the space of segments that are mostly unused.
//!
//! Documents in use are copied to the end of the log; then the file is removed. If the process ends
//! in between, both copies exist and are equal.
//!
//! A record of a deletion must outlive every older record of the deleted documents. It is copied as
//! well, unless its segment is the oldest.

use std::collections::BTreeMap;
use std::io::IoSlice;
use std::sync::Arc;

use tracing::debug;

use crate::bson::Doc;
use crate::engine::catalog::log_drop;
use crate::engine::collection::Collection;
use crate::engine::error::Error;
use crate::engine::locks::write;
use crate::engine::log::Log;
use crate::engine::record::{Change, CollectionId, Placed, RecordId, RecordKind};
use crate::engine::recovery::{self, End, Replayed};
use crate::engine::segment::{Location, Segment, Segments};
use crate::engine::store::Engine;

/// Bytes that are copied at once, with the collection locked.
const MOVE_BYTES: usize = 1024 * 1024;

/// Collections by their number in the log.
type Collections = BTreeMap<CollectionId, Arc<Collection>>;

/// A segment being emptied.
struct Emptying<'e> {
    engine: &'e Engine,
    collections: Collections,
    /// Whether no segment is older, so that deletions need not be copied.
    oldest: bool,
}

/// Empties and removes segments of which less than half is in use.
pub fn compact(engine: &Engine) -> Result<(), Error> {
    loop {
        let segments = engine.log().segments();
        let Some((segment, oldest)) = choose(&segments, engine.log().head())? else {
            return Ok(());
        };
        debug!(
            segment = segment.number(),
            live = segment.live(),
            "began to compact a segment"
        );
        let emptying = Emptying {
            engine,
            collections: engine
                .collections()
                .into_iter()
                .map(|collection| (collection.id(), collection))
                .collect(),
            oldest,
        };
        emptying.run(&segment)?;
        engine.log().sync_all()?;
        engine.log().remove(segment.number())?;
    }
}

/// Returns the oldest segment worth emptying, and whether it is the oldest of all.
fn choose(segments: &Segments, head: u32) -> Result<Option<(Arc<Segment>, bool)>, Error> {
    let oldest = segments.keys().next().copied();
    for segment in segments.range(..head).map(|(_, segment)| segment) {
        let oldest = oldest == Some(segment.number());
        let tombstones = if oldest { 0 } else { segment.tombstones() };
        if (segment.live() + tombstones) * 2 < segment.size()? {
            return Ok(Some((Arc::clone(segment), oldest)));
        }
    }
    Ok(None)
}

impl Emptying<'_> {
    fn run(&self, segment: &Segment) -> Result<(), Error> {
        let mut outcome = Ok(());
        let mut described = Vec::new();
        recovery::read_segment(segment, End::Whole, &mut |record| {
            if outcome.is_ok() {
                outcome = self.copy(record, &mut described);
            }
        })?;
        outcome?;
        described.sort_unstable();
        described.dedup();
        for id in described {
            if let Some(collection) = self.collections.get(&id) {
                self.engine.describe_again(collection)?;
            }
        }
        Ok(())
    }

    /// Copies the parts of a record that are still current.
    fn copy(&self, record: &Replayed<'_>, described: &mut Vec<CollectionId>) -> Result<(), Error> {
        let log = self.engine.log();
        match &record.change {
            Change::Documents(documents) => {
                let Some(collection) = self.collections.get(&record.collection) else {
                    return Ok(());
                };
                let mut rest = documents.as_slice();
                while !rest.is_empty() {
                    let mut bytes = 0;
                    let count = rest
                        .iter()
                        .take_while(|placed| {
                            let room = bytes < MOVE_BYTES;
                            bytes += placed.document.bytes().len();
                            room
                        })
                        .count();
                    let (batch, after) = rest.split_at(count);
                    collection.relocate(log, record, batch)?;
                    rest = after;
                }
                Ok(())
            }
            Change::Delete(ids) if !self.oldest => append_delete(log, record.collection, ids),
            Change::Drop if !self.oldest => log_drop(log, record.collection),
            Change::Delete(_) | Change::Drop => Ok(()),
            Change::Catalog(_) => {
                described.push(record.collection);
                Ok(())
            }
        }
    }
}

impl Collection {
    /// Copies the documents of a record that were neither replaced nor deleted.
    fn relocate(
        &self,
        log: &Log,
        record: &Replayed<'_>,
        batch: &[Placed<'_>],
    ) -> Result<(), Error> {
        let mut state = write(&self.state);
        let place = |placed: &Placed<'_>| Location {
            segment: record.segment,
            offset: record.body + u32::try_from(placed.offset).unwrap_or(u32::MAX),
            length: u32::try_from(placed.document.bytes().len()).unwrap_or(u32::MAX),
        };
        let live: Vec<(RecordId, Doc<'_>)> = batch
            .iter()
            .filter(|placed| state.records.get(placed.id) == Some(place(placed)))
            .map(|placed| (placed.id, placed.document))
            .collect();
        if live.is_empty() {
            return Ok(());
        }
        let collection = self.id().0.to_le_bytes();
        let ids: Vec<[u8; 8]> = live.iter().map(|(id, _)| id.0.to_le_bytes()).collect();
        let mut parts = vec![IoSlice::new(&collection)];
        for (id, (_, document)) in ids.iter().zip(&live) {
            parts.push(IoSlice::new(id));
            parts.push(IoSlice::new(document.bytes()));
        }
        let appended = log.append(RecordKind::Put, &parts)?;
        let mut offset = collection.len();
        for (id, document) in live {
            offset += size_of::<RecordId>();
            let location = appended.locate(offset, document.bytes().len());
            offset += document.bytes().len();
            log.retain(location);
            if let Some(before) = state.records.set(id, location) {
                log.release(before);
            }
        }
        Ok(())
    }
}

fn append_delete(log: &Log, collection: CollectionId, ids: &[RecordId]) -> Result<(), Error> {
    let collection = collection.0.to_le_bytes();
    let ids: Vec<u8> = ids.iter().flat_map(|id| id.0.to_le_bytes()).collect();
    let parts = [IoSlice::new(&collection), IoSlice::new(&ids)];
    log.append(RecordKind::Delete, &parts)?;
    Ok(())
}
