//! Before the first reading: topics and collections exist, every endpoint has answered, every
//! connection is made, every consumer knows its position.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::checkpoint::Checkpoints;
use super::context::{Context, TopicPartition};
use super::dead_letter::DeadLetters;
use super::error::Error;
use super::experiment::{Endpoints, Roles};
use super::form::Form;
use super::writer::Targets;
use crate::broker::{self, Connector, Partition};
use crate::store::Connection;

/// Epoch of the first owner of a run's partitions.
const FIRST_EPOCH: i64 = 1;

/// Connections and positions of a run, in the order of the context's partitions.
#[derive(Debug)]
pub struct Prepared {
    /// Partitions to produce to.
    pub producing: Vec<Producing>,
    /// Partitions to consume from, with their positions.
    pub consuming: Vec<Consuming>,
    /// Partitions to ask for their end.
    pub watching: Vec<Partition>,
    /// Where documents go.
    pub targets: Targets,
}

/// A partition to produce to.
#[derive(Debug)]
pub struct Producing {
    /// Its connection.
    pub partition: Partition,
    /// Form of its messages.
    pub form: Arc<Form>,
}

/// A partition to consume from.
#[derive(Debug)]
pub struct Consuming {
    /// Which one.
    pub topic_partition: TopicPartition,
    /// Its connection.
    pub partition: Partition,
    /// Offset to begin at.
    pub position: i64,
    /// Form of its messages.
    pub form: Arc<Form>,
}

/// Makes topics, collections and connections, broker and store side by side.
pub async fn prepare(
    context: &Arc<Context>,
    endpoints: &Endpoints,
    roles: &Roles,
) -> Result<Prepared, Error> {
    let connector = Connector::new(endpoints.broker.clone())
        .with_request_timeout(context.settings.request_timeout);
    let forms = forms(context, endpoints).await?;
    let store = open_store(context, endpoints, &roles.consumer);
    let (partitions, store) =
        tokio::try_join!(open_broker(context, &connector, &forms, roles), store)?;
    let (producing, consuming) = partitions;
    let settings = &context.settings;
    let checkpoints = store.documents(&settings.checkpoint_collection());
    let targets = Targets {
        documents: store.documents(&settings.collection),
        dead_letters: Arc::new(DeadLetters::new(
            store.documents(&settings.dead_letter_collection()),
            connector.clone(),
            settings.topics.len(),
        )),
        checkpoints: Checkpoints::new(checkpoints, FIRST_EPOCH),
    };
    targets.documents.create().await.map_err(Error::Store)?;
    for Consuming {
        topic_partition,
        position,
        ..
    } in &consuming
    {
        let claim = targets
            .checkpoints
            .claim(context, *topic_partition, *position);
        claim.await.map_err(Error::Store)?;
    }
    let watching = context
        .partitions()
        .map(|partition| connector.partition(context.topic(partition), partition.number))
        .collect();
    Ok(Prepared {
        producing,
        consuming,
        watching,
        targets,
    })
}

/// Returns the form of the messages of each topic.
async fn forms(context: &Context, endpoints: &Endpoints) -> Result<Vec<Arc<Form>>, Error> {
    let mut forms = Vec::new();
    for topic in 0..context.settings.topics.len() {
        forms.push(Arc::new(match &endpoints.registry {
            Some(registry) => Form::register(context, topic, registry).await?,
            None => Form::Json,
        }));
    }
    Ok(forms)
}

async fn open_store(
    context: &Arc<Context>,
    endpoints: &Endpoints,
    consumer: &Handle,
) -> Result<Connection, Error> {
    let (context, uri) = (Arc::clone(context), endpoints.store.clone());
    // The driver's own tasks run where the connection is opened.
    let opening = consumer.spawn(async move {
        let pool = u32::try_from(context.settings.consumers)
            .unwrap_or(u32::MAX)
            .saturating_add(1);
        let opened = Connection::open(&uri, &context.settings.database, pool).await?;
        Ok(opened.with_command_timeout(context.settings.request_timeout))
    });
    joined(opening.await, "store")?.map_err(Error::Store)
}

async fn open_broker(
    context: &Arc<Context>,
    connector: &Connector,
    forms: &[Arc<Form>],
    roles: &Roles,
) -> Result<(Vec<Producing>, Vec<Consuming>), Error> {
    ensure_topics(context, connector).await?;
    let mut producing = JoinSet::new();
    let mut consuming = JoinSet::new();
    for topic_partition in context.partitions() {
        let topic = context.topic(topic_partition);
        let mut partition = connector.partition(topic, topic_partition.number);
        producing.spawn_on(
            async move {
                partition.connect().await?;
                Ok::<_, broker::Error>((topic_partition, partition))
            },
            &roles.producer,
        );
        let mut partition = connector.partition(topic, topic_partition.number);
        consuming.spawn_on(
            async move {
                let (_earliest, latest) = partition.offsets().await?;
                Ok::<_, broker::Error>((topic_partition, (partition, latest)))
            },
            &roles.consumer,
        );
    }
    let producing = in_order(producing)
        .await?
        .into_iter()
        .map(|(topic_partition, partition)| Producing {
            partition,
            form: Arc::clone(&forms[topic_partition.topic]),
        })
        .collect();
    let consuming = in_order(consuming)
        .await?
        .into_iter()
        .map(|(topic_partition, (partition, position))| Consuming {
            topic_partition,
            partition,
            position,
            form: Arc::clone(&forms[topic_partition.topic]),
        })
        .collect();
    Ok((producing, consuming))
}

/// Creates the topics that are not there; the others must have the partitions asked for.
async fn ensure_topics(context: &Context, connector: &Connector) -> Result<(), Error> {
    let settings = &context.settings;
    let existing = connector.topics().await.map_err(Error::Broker)?;
    for topic in &settings.topics {
        match existing.get(topic) {
            None => connector
                .create_topic(
                    topic,
                    settings.partitions.cast_signed(),
                    settings.replication_factor,
                )
                .await
                .map_err(Error::Broker)?,
            Some(found) if u32::try_from(*found) == Ok(settings.partitions) => {}
            Some(found) => {
                return Err(Error::Partitions {
                    topic: topic.clone(),
                    found: *found,
                    wanted: settings.partitions,
                });
            }
        }
    }
    Ok(())
}

async fn in_order<T: 'static>(
    mut tasks: JoinSet<Result<(TopicPartition, T), broker::Error>>,
) -> Result<BTreeMap<TopicPartition, T>, Error> {
    let mut opened = BTreeMap::new();
    while let Some(task) = tasks.join_next().await {
        let (topic_partition, value) = joined(task, "broker")?.map_err(Error::Broker)?;
        opened.insert(topic_partition, value);
    }
    Ok(opened)
}

fn joined<T>(task: Result<T, tokio::task::JoinError>, role: &'static str) -> Result<T, Error> {
    task.map_err(|_panicked| Error::Panicked { role })
}
