//! What the audit of another program's collection reads.

use std::future::IntoFuture as _;

use crate::store::client::Documents;
use crate::store::error::Error;

impl Documents {
    /// Returns the number of documents as the server has noted it; 0 if the collection does not exist.
    pub async fn count(&self) -> Result<u64, Error> {
        let collection = self.collection();
        let count = collection.estimated_document_count().into_future();
        let counted = self.pool.within(self.command_timeout(), count).await;
        counted.map_err(|source| self.failed("count the documents of", source))
    }
}
