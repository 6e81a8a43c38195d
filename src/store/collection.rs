//! What the audit of another program's collection reads.

use std::future::IntoFuture as _;

use bson::RawDocument;

use crate::store::client::Documents;
use crate::store::error::Error;
use crate::store::scan::{SCAN_BATCH, SCAN_DEADLINE};

impl Documents {
    /// Returns the number of documents as the server has noted it; 0 if the collection does not exist.
    pub async fn count(&self) -> Result<u64, Error> {
        let collection = self.collection();
        let count = collection.estimated_document_count().into_future();
        let counted = self.pool.within(self.command_timeout(), count).await;
        counted.map_err(|source| self.failed("count the documents of", source))
    }

    /// Visits every document in the order in which the server stores them: that of their insertion.
    ///
    /// The timeout applies to each response of the server, not to the whole scan.
    pub async fn scan_in_stored_order(
        &self,
        mut visit: impl FnMut(&RawDocument),
    ) -> Result<(), Error> {
        let fail = |source| self.failed("read", source);
        let collection = self.collection();
        let find = collection
            .find(bson::doc! {})
            .batch_size(SCAN_BATCH)
            .into_future();
        let mut cursor = self.pool.within(SCAN_DEADLINE, find).await.map_err(fail)?;
        loop {
            let advanced = self.pool.within(SCAN_DEADLINE, cursor.advance()).await;
            if !advanced.map_err(fail)? {
                return Ok(());
            }
            visit(cursor.current());
        }
    }
}
