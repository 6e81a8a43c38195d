//! Orders from Kafka into MongoDB, each stored once.
//!
//! The position in the topic is stored beside the orders. After a failure the program goes on from
//! there; an order that it stores again replaces itself, because its `_id` is its number.

use std::error::Error;
use std::time::Duration;

use mongodb::bson::{Document, doc, serialize_to_document};
use mongodb::{Client, Collection, Database};
use rskafka::client::partition::{Compression, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client as Kafka, ClientBuilder};
use rskafka::record::Record;
use serde::{Deserialize, Serialize};

pub const TOPIC: &str = "orders";
pub const DATABASE: &str = "shop";

/// Time between two attempts.
const PAUSE: Duration = Duration::from_millis(20);

/// Attempts to publish an order.
const ATTEMPTS: u32 = 10;

pub type Failure = Box<dyn Error + Send + Sync>;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    pub number: String,
    pub customer: String,
    pub cents: i64,
}

/// Publishes orders, in turn to each partition.
pub async fn publish(bootstrap: &str, orders: &[Order]) -> Result<(), Failure> {
    let partitions = partitions(&connect(bootstrap).await?).await?;
    for (order, partition) in orders.iter().zip(partitions.iter().cycle()) {
        let record = Record {
            key: Some(order.number.clone().into_bytes()),
            value: Some(serde_json::to_vec(order)?),
            headers: Default::default(),
            timestamp: "2026-01-01T00:00:00Z".parse()?,
        };
        let mut attempt = 1;
        loop {
            let sent = partition.produce(vec![record.clone()], Compression::NoCompression);
            match sent.await {
                Ok(_) => break,
                Err(error) if attempt == ATTEMPTS => return Err(error.into()),
                Err(_) => attempt += 1,
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(())
}

/// Stores orders until the task is aborted.
pub async fn run(bootstrap: &str, uri: &str) -> Result<(), Failure> {
    let database = Client::with_uri_str(uri).await?.database(DATABASE);
    let mut tasks = tokio::task::JoinSet::new();
    for partition in partitions(&connect(bootstrap).await?).await? {
        let database = database.clone();
        tasks.spawn(async move {
            loop {
                // Whatever failed, the stored position says where to go on.
                if let Err(error) = store(&partition, &database).await {
                    eprintln!("partition {}: {error}", partition.partition());
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
    }
    tasks.join_all().await;
    Ok(())
}

/// Stores the orders of a partition until something fails.
async fn store(partition: &PartitionClient, database: &Database) -> Result<(), Failure> {
    let orders: Collection<Document> = database.collection("orders");
    let positions: Collection<Document> = database.collection("positions");
    let id = doc! { "_id": partition.partition() };
    let stored = positions.find_one(id.clone()).await?;
    let mut next = stored.map_or(Ok(0), |position| position.get_i64("next"))?;
    loop {
        let fetched = partition.fetch_records(next, 1..1_000_000, 500).await?;
        for fetched in fetched.0 {
            let value = fetched.record.value.unwrap_or_default();
            let order: Order = serde_json::from_slice(&value)?;
            let filter = doc! { "_id": &order.number };
            let document = serialize_to_document(&order)?;
            orders.replace_one(filter, document).upsert(true).await?;
            next = fetched.offset + 1;
        }
        let position = doc! { "next": next };
        positions
            .replace_one(id.clone(), position)
            .upsert(true)
            .await?;
    }
}

async fn connect(bootstrap: &str) -> Result<Kafka, Failure> {
    Ok(ClientBuilder::new(vec![bootstrap.to_owned()])
        .build()
        .await?)
}

async fn partitions(kafka: &Kafka) -> Result<Vec<PartitionClient>, Failure> {
    let topics = kafka.list_topics().await?;
    let topic = topics.into_iter().find(|topic| topic.name == TOPIC);
    let topic = topic.ok_or_else(|| format!("there is no topic `{TOPIC}`"))?;
    let mut clients = Vec::new();
    for index in topic.partitions {
        let client = kafka.partition_client(TOPIC, index, UnknownTopicHandling::Retry);
        clients.push(client.await?);
    }
    Ok(clients)
}
