//! Looks at the other collections of a deployment.

use std::future::IntoFuture as _;

use bson::{RawDocumentBuf, doc};

use crate::store::client::Connection;
use crate::store::error::Error;

/// Databases of the server itself.
const SYSTEM_DATABASES: [&str; 3] = ["admin", "config", "local"];

/// Databases and collections that are looked at, at most.
const MOST: usize = 100;

/// The newest document of a collection.
#[derive(Debug)]
pub struct Newest {
    /// `database.collection`.
    pub collection: String,
    /// The document.
    pub document: RawDocumentBuf,
}

impl Connection {
    /// Returns the newest document of each collection that has one, but `except`
    /// (`database.collection`). Collections that cannot be read are left out.
    pub async fn newest_documents(&self, except: &str) -> Result<Vec<Newest>, Error> {
        let client = self.pool.client();
        let names = client.list_database_names().into_future();
        let names = self.pool.within(self.command_timeout(), names).await;
        let databases = names.map_err(|source| self.failed("list the databases of", "", source))?;
        let mut newest = Vec::new();
        let mut left = MOST;
        let databases = databases.iter().take(MOST);
        for name in databases.filter(|it| !SYSTEM_DATABASES.contains(&it.as_str())) {
            let database = client.database(name);
            let names = database.list_collection_names().into_future();
            let listed = self.pool.within(self.command_timeout(), names).await;
            for collection in listed.unwrap_or_default() {
                let full = format!("{name}.{collection}");
                if collection.starts_with("system.") || full == except || left == 0 {
                    continue;
                }
                left -= 1;
                let documents = database.collection::<RawDocumentBuf>(&collection);
                let find = documents.find_one(doc! {});
                let find = find.sort(doc! { "$natural": -1 }).into_future();
                let found = self.pool.within(self.command_timeout(), find).await;
                newest.extend(found.ok().flatten().map(|document| Newest {
                    collection: full,
                    document,
                }));
            }
        }
        Ok(newest)
    }
}
