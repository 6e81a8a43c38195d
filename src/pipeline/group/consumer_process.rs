//! `convoy consume`: join a group, store the records of owned partitions, leave. Other processes
//! produce.

use std::sync::Arc;
use std::time::Duration;

use convoy_server_kit::SecretUri;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::broker::Endpoint;
use crate::measure::{Interval, Outage, Recording};
use crate::pipeline::context::Context;
use crate::pipeline::error::Error;
use crate::pipeline::group::claims::Claims;
use crate::pipeline::group::ending::SessionOutcome;
use crate::pipeline::group::participation::Participation;
use crate::pipeline::group::reset::reset_checkpoints;
use crate::pipeline::group::session::{Connections, Session};
use crate::pipeline::ingest::{Schemas, replay};
use crate::pipeline::interrupt::Interrupt;
use crate::pipeline::run::{Destination, Observer, Phase, Timeline, connector, gather, open_store};
use crate::pipeline::settings::StorageSettings;
use crate::pipeline::topics;
use crate::registry::Client;
use crate::store::Checkouts;

/// What a consumer process reads and stores.
#[derive(Debug, Clone)]
pub struct ConsumerSettings {
    /// Collections, inserts and the group.
    pub storage: Arc<StorageSettings>,
    /// Start, heartbeats and end of the process.
    pub participation: Participation,
    /// Broker.
    pub broker: Endpoint,
    /// Store.
    pub store: SecretUri,
    /// Registry of the schemas that records name; without one, schemas are not checked.
    pub registry: Option<Client>,
}

/// Result of a consumer process.
#[derive(Debug)]
pub struct Consumed {
    /// Owned partitions, and how the session ended.
    pub session: SessionOutcome,
    /// Latencies from the fetch on.
    pub recording: Recording,
    /// Counts and latencies per second.
    pub intervals: Vec<Interval>,
    /// Outages of the servers.
    pub outages: Vec<Outage>,
    /// Start of the session, nanoseconds on the process's clock.
    pub start: u64,
    /// Waits for connections to the store.
    pub checkouts: Checkouts,
}

/// Consumes as a member of a group, until interrupted or until the session's end.
pub async fn consume(
    context: Arc<Context>,
    settings: ConsumerSettings,
    consumer: Handle,
    observer: Arc<dyn Observer>,
    interrupt: Interrupt,
) -> Result<Consumed, Error> {
    let (storage, participation) = (&settings.storage, &settings.participation);
    let connector = connector(&context, &settings.broker);
    let connecting = Box::pin(async {
        context.set_partitions(topics::ensure(&context.settings, &connector).await?);
        let store = open_store(&context, storage, &settings.store, &consumer).await?;
        let documents = store.documents(&storage.collection);
        documents.create().await.map_err(Error::Store)?;
        Ok(store)
    });
    let connected = interrupt.requested.run_until_cancelled(connecting).await;
    let store = connected.ok_or(Error::Interrupted)??;
    let claims = Claims::new(&context, storage, &store, context.settings.run_id.clone());
    let reset = reset_checkpoints(participation, &context, storage, &connector, &claims);
    // If this is interrupted, the session sees the interrupt too and ends.
    let reset = interrupt.requested.run_until_cancelled(Box::pin(reset));
    reset.await.transpose()?;
    let registry = settings.registry;
    let schemas = registry.map(|registry| Arc::new(Schemas::new(registry)));
    if participation.replay_dead_letters {
        let replaying = Box::pin(replay(&context, storage, &store, schemas.as_ref()));
        let replayed = interrupt.requested.run_until_cancelled(replaying).await;
        replayed.transpose()?;
    }
    let session = Session::new(
        Arc::clone(&context),
        Arc::clone(storage),
        Connections {
            connector,
            store: store.clone(),
            claims,
            schemas,
        },
        participation,
        Arc::clone(&observer),
    );
    let (recorder, start) = (session.recorder(), session.start());
    let ended = CancellationToken::new();
    let none = Duration::ZERO;
    let timeline = Arc::new(Timeline::new(start, none, none, storage.batch_wait));
    let gathering = tokio::spawn(gather(
        Arc::clone(&context),
        vec![Arc::clone(&recorder)],
        Destination::Store,
        timeline,
        Arc::clone(&observer),
        ended.clone(),
    ));
    observer.phase(Phase::Running);
    let running = consumer.spawn(session.run(interrupt)).await;
    let session = running.map_err(|_panicked| Error::Panicked { role: "consumer" })?;
    ended.cancel();
    let gathered = gathering.await.unwrap_or_default();
    let mut recording = Recording::default();
    recording.merge(&recorder.lock());
    recording.stages = gathered.stages;
    Ok(Consumed {
        session,
        recording,
        intervals: gathered.intervals,
        outages: gathered.outages,
        start,
        checkouts: store.checkouts(),
    })
}
