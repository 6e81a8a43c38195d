//! Preparation before the first reading: topics, collections, connections and positions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use convoy_server_kit::SecretUri;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::broker::{self, Connector, Endpoint, Isolation, PartitionReader};
use crate::pipeline::context::Context;
use crate::pipeline::dead_letter::{DeadLetters, LetterCollection};
use crate::pipeline::emit::{ProducerPartition, Workload};
use crate::pipeline::error::Error;
use crate::pipeline::ingest::{Checkpoints, ConsumerPartition, RunIntake, Targets};
use crate::pipeline::run::parts::{Endpoints, ProducerSettings, Roles, SimulationSettings};
use crate::pipeline::settings::StorageSettings;
use crate::pipeline::topic_partition::TopicPartition;
use crate::pipeline::value_format::ValueFormat;
use crate::pipeline::{retry, topics};
use crate::registry::Client;
use crate::store::Connection;

/// Epoch of the owner of a run's partitions.
const FIRST_EPOCH: i64 = 1;

/// How long the partitions of a new topic may have no leader.
const LEADER_TIMEOUT: Duration = Duration::from_secs(15);

/// Connections and positions of a run.
#[derive(Debug)]
pub struct Prepared {
    pub producers: Producers,
    pub consumers: Consumers,
    pub store: Connection,
}

/// Connections of producers.
#[derive(Debug)]
pub struct Producers {
    /// In the order of [`Context::partitions`].
    pub partitions: Vec<ProducerPartition>,
    pub dead_letters: Arc<DeadLetters>,
    pub runtime: Handle,
}

/// Connections and positions of consumers.
#[derive(Debug)]
pub struct Consumers {
    /// In the order of [`Context::partitions`].
    pub partitions: Vec<ConsumerPartition<RunIntake>>,
    /// Connections to look up the end of each partition.
    pub ends: Vec<PartitionReader>,
    pub targets: Targets,
    pub storage: Arc<StorageSettings>,
    /// Whether an injected fault may truncate the broker's log.
    pub log_may_be_lost: bool,
    pub runtime: Handle,
}

/// Creates topics and collections, and connects to broker and store at the same time.
pub async fn prepare(
    context: &Arc<Context>,
    settings: &SimulationSettings,
    endpoints: &Endpoints,
    roles: &Roles,
) -> Result<Prepared, Error> {
    let storage = &settings.storage;
    let workload = &*settings.emission.workload;
    let connector = connector(context, &endpoints.broker);
    let formats = value_formats(context, workload, endpoints.registry.as_ref()).await?;
    let broker = async {
        context.set_partitions(topics::ensure(&context.settings, &connector).await?);
        let producers = connect_producers(context, &connector, &formats, &roles.producer);
        let consumers = connect_consumers(context, &connector, workload, &formats, &roles.consumer);
        tokio::try_join!(producers, consumers)
    };
    let store = open_store(context, storage, &endpoints.store, &roles.consumer);
    let ((producers, consumers), store) = tokio::try_join!(broker, store)?;
    let dead_letters = Arc::new(DeadLetters::new(
        Some(LetterCollection {
            documents: store.documents(&storage.dead_letter_collection()),
            timeout: storage.store_timeout,
        }),
        connector.clone(),
        context.settings.topics.len(),
    ));
    let targets = Targets {
        documents: store.documents(&storage.collection),
        dead_letters: Arc::clone(&dead_letters),
        checkpoints: Checkpoints::new(
            store.documents(&storage.checkpoint_collection()),
            storage.checkpoint_owner(&context.settings).to_owned(),
            FIRST_EPOCH,
        ),
    };
    targets.documents.create().await.map_err(Error::Store)?;
    for consumer in &consumers {
        let (partition, position) = (consumer.topic_partition, consumer.position);
        let claim = targets.checkpoints.claim(context, partition, position);
        claim.await.map_err(Error::Store)?;
    }
    let ends = context
        .partitions()
        .map(|partition| partition_reader(context, &connector, partition))
        .collect();
    Ok(Prepared {
        producers: Producers {
            partitions: producers,
            dead_letters,
            runtime: roles.producer.clone(),
        },
        consumers: Consumers {
            partitions: consumers,
            ends,
            targets,
            storage: Arc::clone(storage),
            log_may_be_lost: settings.log_may_be_lost,
            runtime: roles.consumer.clone(),
        },
        store,
    })
}

/// Returns a connector with the request timeout of the settings.
pub fn connector(context: &Context, broker: &Endpoint) -> Connector {
    let timeout = context.settings.timeouts.request;
    Connector::new(broker.clone()).with_request_timeout(timeout)
}

/// Creates topics and connections of a process that only produces.
pub async fn prepare_producers(
    context: &Arc<Context>,
    settings: &ProducerSettings,
    runtime: &Handle,
) -> Result<Producers, Error> {
    let connector = connector(context, &settings.broker);
    let workload = &settings.emission.workload;
    let formats = value_formats(context, workload, settings.registry.as_ref()).await?;
    context.set_partitions(topics::ensure(&context.settings, &connector).await?);
    let topics = context.settings.topics.len();
    Ok(Producers {
        partitions: connect_producers(context, &connector, &formats, runtime).await?,
        dead_letters: Arc::new(DeadLetters::new(None, connector.clone(), topics)),
        runtime: runtime.clone(),
    })
}

/// Returns the value format of each topic, and registers its schema if there is a registry.
async fn value_formats(
    context: &Context,
    workload: &Workload,
    registry: Option<&Client>,
) -> Result<Vec<Arc<ValueFormat>>, Error> {
    let mut formats = Vec::new();
    for (topic, name) in context.settings.topics.iter().enumerate() {
        formats.push(Arc::new(match registry {
            Some(registry) => ValueFormat::register(workload, topic, name, registry).await?,
            None => ValueFormat::Json,
        }));
    }
    Ok(formats)
}

/// Connects to the store, with a connection for each writer and one more.
pub async fn open_store(
    context: &Arc<Context>,
    storage: &StorageSettings,
    uri: &SecretUri,
    consumer: &Handle,
) -> Result<Connection, Error> {
    let (uri, database) = (uri.clone(), storage.database.clone());
    let pool = u32::try_from(storage.connections).unwrap_or(u32::MAX);
    let timeout = context.settings.timeouts.request;
    // The driver spawns its tasks on the runtime on which the connection is opened.
    let opening = consumer.spawn(async move {
        let opened = Connection::open(&uri, &database, pool.saturating_add(1)).await?;
        Ok(opened.with_command_timeout(timeout))
    });
    joined(opening.await, "store")?.map_err(Error::Store)
}

async fn connect_producers(
    context: &Arc<Context>,
    connector: &Connector,
    formats: &[Arc<ValueFormat>],
    runtime: &Handle,
) -> Result<Vec<ProducerPartition>, Error> {
    let connect = |topic_partition: TopicPartition| {
        let topic = context.topic(topic_partition);
        let mut producer = connector.producer(topic, topic_partition.number);
        let context = Arc::clone(context);
        async move {
            retry::connect(&context, &mut producer, LEADER_TIMEOUT).await?;
            Ok(producer)
        }
    };
    let connected = connect_each(context, runtime, connect).await?.into_iter();
    let partitions = connected.map(|(topic_partition, producer)| ProducerPartition {
        topic_partition,
        producer,
        format: Arc::clone(&formats[topic_partition.topic]),
    });
    Ok(partitions.collect())
}

async fn connect_consumers(
    context: &Arc<Context>,
    connector: &Connector,
    workload: &Workload,
    formats: &[Arc<ValueFormat>],
    runtime: &Handle,
) -> Result<Vec<ConsumerPartition<RunIntake>>, Error> {
    let connect = |topic_partition: TopicPartition| {
        let mut partition = partition_reader(context, connector, topic_partition);
        let context = Arc::clone(context);
        async move {
            let offsets = retry::offsets(&context, &mut partition, LEADER_TIMEOUT);
            let (_earliest, end) = offsets.await?;
            Ok((partition, end))
        }
    };
    let connected = connect_each(context, runtime, connect).await?.into_iter();
    let partitions = connected.map(|(topic_partition, (partition, end))| {
        let format = Arc::clone(&formats[topic_partition.topic]);
        ConsumerPartition {
            topic_partition,
            partition,
            position: end,
            intake: RunIntake::new(Arc::clone(context), topic_partition, workload, format),
        }
    });
    Ok(partitions.collect())
}

/// Returns a reader of a partition. A run reads what it wrote, without transactions.
pub fn partition_reader(
    context: &Context,
    connector: &Connector,
    partition: TopicPartition,
) -> PartitionReader {
    let topic = context.topic(partition);
    connector.reader(topic, partition.number, Isolation::ReadUncommitted)
}

/// Connects to the leader of each partition, all at the same time.
async fn connect_each<T, F>(
    context: &Context,
    runtime: &Handle,
    connect: impl Fn(TopicPartition) -> F,
) -> Result<BTreeMap<TopicPartition, T>, Error>
where
    T: Send + 'static,
    F: Future<Output = Result<T, broker::Error>> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for topic_partition in context.partitions() {
        let connecting = connect(topic_partition);
        tasks.spawn_on(
            async move { Ok::<_, broker::Error>((topic_partition, connecting.await?)) },
            runtime,
        );
    }
    let mut connected = BTreeMap::new();
    while let Some(task) = tasks.join_next().await {
        let (topic_partition, partition) = joined(task, "broker")?.map_err(Error::Broker)?;
        connected.insert(topic_partition, partition);
    }
    Ok(connected)
}

fn joined<T>(task: Result<T, tokio::task::JoinError>, role: &'static str) -> Result<T, Error> {
    task.map_err(|_panicked| Error::Panicked { role })
}
