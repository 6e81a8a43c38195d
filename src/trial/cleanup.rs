//! Removes the topics and collections of a trial.

use std::sync::Arc;
use std::time::Duration;

use crate::broker::Connector;
use crate::cause::chain;
use crate::pipeline::{Context, DEAD_LETTER_TOPIC_SUFFIX, Endpoints, StorageSettings};
use crate::store::Connection;

/// Timeout of each request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// What a trial leaves on the servers.
#[derive(Debug)]
pub struct Data {
    /// Topics of readings.
    pub topics: Vec<String>,
    /// Collections.
    pub storage: Arc<StorageSettings>,
}

/// Removes the data of a trial; says what stays if that fails.
pub async fn remove(endpoints: &Endpoints, context: &Context, data: &Data) -> Result<(), String> {
    let (topics, collections) = tokio::join!(
        remove_topics(endpoints, context, data),
        remove_collections(endpoints, data)
    );
    topics.and(collections)
}

async fn remove_topics(
    endpoints: &Endpoints,
    context: &Context,
    data: &Data,
) -> Result<(), String> {
    let connector = Connector::new(endpoints.broker.clone()).with_request_timeout(REQUEST_TIMEOUT);
    let mut topics = data.topics.clone();
    if context.counters.dead_lettered.get() > 0 {
        let of_letters = data.topics.iter();
        topics.extend(of_letters.map(|topic| format!("{topic}{DEAD_LETTER_TOPIC_SUFFIX}")));
    }
    let existing = connector.topics().await.map_err(|error| chain(&error))?;
    for topic in topics.iter().filter(|it| existing.contains_key(*it)) {
        let deleted = connector.delete_topic(topic).await;
        deleted.map_err(|error| format!("topic `{topic}` stays: {}", chain(&error)))?;
    }
    Ok(())
}

async fn remove_collections(endpoints: &Endpoints, data: &Data) -> Result<(), String> {
    let storage = &data.storage;
    let opened = Connection::open(&endpoints.store, &storage.database, 1).await;
    let store = opened.map_err(|error| chain(&error))?;
    let store = store.with_command_timeout(REQUEST_TIMEOUT);
    for collection in [
        storage.collection.clone(),
        storage.dead_letter_collection(),
        storage.checkpoint_collection(),
    ] {
        let dropped = store.documents(&collection).drop_collection().await;
        dropped.map_err(|error| format!("collection `{collection}` stays: {}", chain(&error)))?;
    }
    Ok(())
}
