//! Before the first reading: topics and collections exist, every endpoint has answered, every
//! connection is made, every consumer knows its position. Either half can be prepared alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use convoy_server_kit::SecretUri;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::broker::{self, Connector, Endpoint, Partition};
use crate::pipeline::context::{Context, TopicPartition};
use crate::pipeline::dead_letter::DeadLetters;
use crate::pipeline::error::Error;
use crate::pipeline::value_format::Form;
use crate::pipeline::ingest::checkpoint::Checkpoints;
use crate::pipeline::ingest::partition_consumer::Consuming;
use crate::pipeline::ingest::intake::Intake;
use crate::pipeline::ingest::writer::Targets;
use crate::pipeline::run::simulation::{Endpoints, Roles};
use crate::pipeline::{retry, topics};
use crate::registry::Client;
use crate::store::{Connection, Documents};

/// Epoch of the first owner of a run's partitions.
const FIRST_EPOCH: i64 = 1;

/// How long the partitions of a new topic may have no leader.
const LEADER_PATIENCE: Duration = Duration::from_secs(15);

/// Connections and positions of a run, in the order of the context's partitions.
#[derive(Debug)]
pub struct Prepared {
    /// Partitions to produce to.
    pub producing: Vec<Producing>,
    /// Where messages go that no broker takes.
    pub dead_letters: Arc<DeadLetters>,
    /// The consuming half; none where other processes consume.
    pub consuming: Option<ConsumingHalf>,
}

/// What is looked at when the run has ended.
#[derive(Debug)]
pub struct Collections {
    /// Documents.
    pub documents: Documents,
    /// Dead letters.
    pub dead_letters: Documents,
    /// Positions.
    pub checkpoints: Checkpoints,
}

/// Connections and positions of consumers.
#[derive(Debug)]
pub struct ConsumingHalf {
    /// Partitions to consume from, with their positions.
    pub partitions: Vec<Consuming>,
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

/// Makes topics, collections and connections, broker and store side by side.
pub async fn prepare(
    context: &Arc<Context>,
    endpoints: &Endpoints,
    roles: &Roles,
) -> Result<(Prepared, Collections), Error> {
    let connector = connector(context, &endpoints.broker);
    let forms = forms(context, endpoints.registry.as_ref()).await?;
    let broker = async {
        context.set_partitions(topics::ensure(&context.settings, &connector).await?);
        let producing = open_producing(context, &connector, &forms, &roles.producer);
        let consuming = open_consuming(context, &connector, &forms, &roles.consumer);
        tokio::try_join!(producing, consuming)
    };
    let store = open_store(context, &endpoints.store, &roles.consumer);
    let ((producing, partitions), store) = tokio::try_join!(broker, store)?;
    let settings = &context.settings;
    let checkpoints = store.documents(&settings.checkpoint_collection());
    let collections = Collections {
        documents: store.documents(&settings.collection),
        dead_letters: store.documents(&settings.dead_letter_collection()),
        checkpoints: Checkpoints::new(checkpoints, FIRST_EPOCH),
    };
    let (letters, topics) = (collections.dead_letters.clone(), settings.topics.len());
    let dead_letters = Arc::new(DeadLetters::new(Some(letters), connector.clone(), topics));
    let targets = Targets {
        documents: collections.documents.clone(),
        dead_letters: Arc::clone(&dead_letters),
        checkpoints: collections.checkpoints.clone(),
    };
    targets.documents.create().await.map_err(Error::Store)?;
    for Consuming {
        topic_partition,
        position,
        ..
    } in &partitions
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
    let prepared = Prepared {
        producing,
        dead_letters,
        consuming: Some(ConsumingHalf {
            partitions,
            watching,
            targets,
        }),
    };
    Ok((prepared, collections))
}

/// Returns what connects to a broker, as patient as the settings say.
pub fn connector(context: &Context, broker: &Endpoint) -> Connector {
    Connector::new(broker.clone()).with_request_timeout(context.settings.request_timeout)
}

/// Makes topics and connections of the producing half alone.
pub async fn prepare_producing(
    context: &Arc<Context>,
    connector: &Connector,
    registry: Option<&Client>,
    producer: &Handle,
) -> Result<Prepared, Error> {
    let forms = forms(context, registry).await?;
    context.set_partitions(topics::ensure(&context.settings, connector).await?);
    let topics = context.settings.topics.len();
    Ok(Prepared {
        producing: open_producing(context, connector, &forms, producer).await?,
        dead_letters: Arc::new(DeadLetters::new(None, connector.clone(), topics)),
        consuming: None,
    })
}

/// Returns the form of the messages of each topic.
async fn forms(context: &Context, registry: Option<&Client>) -> Result<Vec<Arc<Form>>, Error> {
    let mut forms = Vec::new();
    for topic in 0..context.settings.topics.len() {
        forms.push(Arc::new(match registry {
            Some(registry) => Form::register(context, topic, registry).await?,
            None => Form::Json,
        }));
    }
    Ok(forms)
}

/// Connects to the store, with a connection for each consumer and one more.
pub async fn open_store(
    context: &Arc<Context>,
    uri: &SecretUri,
    consumer: &Handle,
) -> Result<Connection, Error> {
    let (context, uri) = (Arc::clone(context), uri.clone());
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

async fn open_producing(
    context: &Arc<Context>,
    connector: &Connector,
    forms: &[Arc<Form>],
    producer: &Handle,
) -> Result<Vec<Producing>, Error> {
    let mut connecting = JoinSet::new();
    for topic_partition in context.partitions() {
        let topic = context.topic(topic_partition);
        let mut partition = connector.partition(topic, topic_partition.number);
        let context = Arc::clone(context);
        connecting.spawn_on(
            async move {
                retry::offsets(&context, &mut partition, LEADER_PATIENCE).await?;
                Ok::<_, broker::Error>((topic_partition, partition))
            },
            producer,
        );
    }
    let connected = in_order(connecting).await?.into_iter();
    let producing = connected.map(|(topic_partition, partition)| Producing {
        partition,
        form: Arc::clone(&forms[topic_partition.topic]),
    });
    Ok(producing.collect())
}

async fn open_consuming(
    context: &Arc<Context>,
    connector: &Connector,
    forms: &[Arc<Form>],
    consumer: &Handle,
) -> Result<Vec<Consuming>, Error> {
    let mut asking = JoinSet::new();
    for topic_partition in context.partitions() {
        let topic = context.topic(topic_partition);
        let mut partition = connector.partition(topic, topic_partition.number);
        let context = Arc::clone(context);
        asking.spawn_on(
            async move {
                let asked = retry::offsets(&context, &mut partition, LEADER_PATIENCE);
                let (_earliest, latest) = asked.await?;
                Ok::<_, broker::Error>((topic_partition, (partition, latest)))
            },
            consumer,
        );
    }
    let asked = in_order(asking).await?.into_iter();
    let consuming = asked.map(|(topic_partition, (partition, position))| Consuming {
        topic_partition,
        partition,
        position,
        intake: Intake::of_run(
            Arc::clone(context),
            topic_partition,
            Arc::clone(&forms[topic_partition.topic]),
        ),
    });
    Ok(consuming.collect())
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
