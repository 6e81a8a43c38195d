//! Scans of a collection: the next response is fetched while the documents of this one are visited.

use std::time::Duration;

use bson::{Document, RawBsonRef, RawDocument, RawDocumentBuf, doc};
use futures_util::TryStreamExt as _;
use mongodb::Collection;
use mongodb::action::{Action as _, Find};
use mongodb::raw_batch_cursor::RawBatch;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::cause::Cause;
use crate::store::client::Documents;
use crate::store::error::Error;
use crate::store::failure::cause;
use crate::store::pool::Pool;

/// Timeout of each response of a scan: without an index, the server reads everything first.
const SCAN_DEADLINE: Duration = Duration::from_secs(120);

/// Documents per response of a scan. A response holds at most 16 MiB.
const SCAN_BATCH: u32 = 1_000;

impl Documents {
    /// Visits every document that matches, in the order of `_id`.
    ///
    /// The timeout applies to each response of the server, not to the whole scan.
    pub async fn scan(
        &self,
        filter: Document,
        visit: impl FnMut(&RawDocument),
    ) -> Result<(), Error> {
        self.visit_each(vec![filter], Some(doc! { "_id": 1 }), visit)
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
        self.scan_at_once(vec![filter], visit).await
    }

    /// Visits the documents that match each filter, in the order in which the server stores them, by a
    /// scan for each filter. The scans run at once, so their documents alternate.
    ///
    /// The timeout applies to each response of the server, not to the whole scan.
    pub async fn scan_at_once(
        &self,
        filters: Vec<Document>,
        visit: impl FnMut(&RawDocument),
    ) -> Result<(), Error> {
        self.visit_each(filters, None, visit).await
    }

    async fn visit_each(
        &self,
        filters: Vec<Document>,
        sort: Option<Document>,
        mut visit: impl FnMut(&RawDocument),
    ) -> Result<(), Error> {
        let fail = |source| self.failed("read", source);
        let (sender, mut batches) = mpsc::channel(filters.len().max(1));
        let mut fetching = JoinSet::new();
        for filter in filters {
            let query = Query {
                collection: self.collection(),
                filter,
                sort: sort.clone(),
            };
            fetching.spawn(fetch(self.pool.clone(), query, sender.clone()));
        }
        drop(sender);
        while let Some(batch) = batches.recv().await {
            let batch = batch.map_err(fail)?;
            visit_batch(&batch, &mut visit).map_err(fail)?;
        }
        while let Some(fetched) = fetching.join_next().await {
            fetched.map_err(|_panic| {
                fail(Cause::Other("the task that reads it panicked".to_owned()))
            })?;
        }
        Ok(())
    }
}

/// The documents of one scan, and their order.
struct Query {
    collection: Collection<RawDocumentBuf>,
    filter: Document,
    sort: Option<Document>,
}

/// Fetches until the last response, the first error, or until nothing more is wanted.
async fn fetch(
    pool: Pool,
    query: Query,
    sender: mpsc::Sender<Result<RawBatch, Cause>>,
) {
    let find = query.collection.find(query.filter);
    let find = find.optional(query.sort, Find::sort).batch_size(SCAN_BATCH);
    let mut cursor = match pool.within(SCAN_DEADLINE, find.batch()).await {
        Ok(cursor) => cursor,
        Err(error) => {
            let _nobody_waits = sender.send(Err(error)).await;
            return;
        }
    };
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
