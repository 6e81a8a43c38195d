//! Scans of a collection: the next response is fetched while the documents of this one are visited.

use std::time::Duration;

use bson::{Document, RawBsonRef, RawDocument, doc};
use futures_util::TryStreamExt as _;
use mongodb::action::{Action as _, Find};
use mongodb::raw_batch_cursor::{RawBatch, RawBatchCursor};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::cause::Cause;
use crate::store::client::Documents;
use crate::store::error::Error;
use crate::store::failure::cause;
use crate::store::pool::Pool;

/// Timeout of each response of a scan: without an index, the server reads everything first.
const SCAN_DEADLINE: Duration = Duration::from_secs(120);

/// Documents per response of a scan. A response holds at most 16 MiB.
const SCAN_BATCH: u32 = 1_000;

/// Responses that wait to be visited, besides the one that is being fetched.
const WAITING: usize = 1;

impl Documents {
    /// Visits every document that matches, in the order of `_id`.
    ///
    /// The timeout applies to each response of the server, not to the whole scan.
    pub async fn scan(
        &self,
        filter: Document,
        visit: impl FnMut(&RawDocument),
    ) -> Result<(), Error> {
        self.visit_each(filter, Some(doc! { "_id": 1 }), visit)
            .await
    }

    /// Visits every document that matches in the order in which the server stores them: that of their
    /// insertion. It is the fastest one: neighbours are read together.
    ///
    /// The timeout applies to each response of the server, not to the whole scan.
    pub async fn scan_in_stored_order(
        &self,
        filter: Document,
        visit: impl FnMut(&RawDocument),
    ) -> Result<(), Error> {
        self.visit_each(filter, None, visit).await
    }

    async fn visit_each(
        &self,
        filter: Document,
        sort: Option<Document>,
        mut visit: impl FnMut(&RawDocument),
    ) -> Result<(), Error> {
        let fail = |source| self.failed("read", source);
        let collection = self.collection();
        let find = collection
            .find(filter)
            .optional(sort, Find::sort)
            .batch_size(SCAN_BATCH)
            .batch();
        let cursor = self.pool.within(SCAN_DEADLINE, find).await.map_err(fail)?;
        let (sender, mut batches) = mpsc::channel(WAITING);
        let fetching = fetch(self.pool.clone(), cursor, sender);
        let fetching = AbortOnDropHandle::new(self.pool.spawn(fetching));
        while let Some(batch) = batches.recv().await {
            let batch = batch.map_err(fail)?;
            visit_batch(&batch, &mut visit).map_err(fail)?;
        }
        fetching
            .await
            .map_err(|_panic| fail(Cause::Other("the task that reads it panicked".to_owned())))
    }
}

/// Fetches until the last response, the first error, or until nothing more is wanted.
async fn fetch(
    pool: Pool,
    mut cursor: RawBatchCursor,
    sender: mpsc::Sender<Result<RawBatch, Cause>>,
) {
    loop {
        let batch = pool.within(SCAN_DEADLINE, cursor.try_next()).await;
        let failed = batch.is_err();
        let Some(batch) = batch.transpose() else {
            return;
        };
        if sender.send(batch).await.is_err() || failed {
            return;
        }
    }
}

fn visit_batch(batch: &RawBatch, visit: &mut impl FnMut(&RawDocument)) -> Result<(), Cause> {
    for document in batch.doc_slices().map_err(|error| cause(&error))? {
        let document = document.ok().and_then(RawBsonRef::as_document);
        let document = document.ok_or_else(|| {
            Cause::Other("the server's response has a value that is not a document".to_owned())
        })?;
        visit(document);
    }
    Ok(())
}
