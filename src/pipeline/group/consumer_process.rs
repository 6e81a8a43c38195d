//! The consuming half alone: join a group, read what it gives us, leave. Other processes produce.

use std::sync::Arc;

use convoy_server_kit::SecretUri;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::broker::Endpoint;
use crate::measure::{Interval, Recording};
use crate::pipeline::context::Context;
use crate::pipeline::dead_letter;
use crate::pipeline::error::Error;
use crate::pipeline::group::leases::Leases;
use crate::pipeline::group::{Done, Participation, Session, start};
use crate::pipeline::ingest::schemas::Schemas;
use crate::pipeline::run::prepare::{connector, open_store};
use crate::pipeline::run::progress::{Observer, Phase, gather};
use crate::pipeline::topics;
use crate::registry::Client;

/// Where records come from and documents go.
#[derive(Debug, Clone)]
pub struct Ends {
    /// The broker.
    pub broker: Endpoint,
    /// The store.
    pub store: SecretUri,
    /// The registry of the schemas that records name; without one they are not checked.
    pub registry: Option<Client>,
}

/// What consuming alone gave.
#[derive(Debug)]
pub struct Consumed {
    /// What was owned, and how it ended.
    pub done: Done,
    /// Everything measured from the fetch on.
    pub recording: Recording,
    /// Second by second.
    pub intervals: Vec<Interval>,
    /// When the session began, nanoseconds on the process's clock.
    pub start: u64,
}

/// Consumes as a member of the context's group, until the user or what was agreed ends it.
pub async fn consume(
    context: Arc<Context>,
    ends: Ends,
    participation: Participation,
    consumer: Handle,
    observer: Arc<dyn Observer>,
    interrupt: CancellationToken,
) -> Result<Consumed, Error> {
    let connector = connector(&context, &ends.broker);
    context.set_partitions(topics::ensure(&context.settings, &connector).await?);
    let store = open_store(&context, &ends.store, &consumer).await?;
    let documents = store.documents(&context.settings.collection);
    documents.create().await.map_err(Error::Store)?;
    let leases = Leases::new(&context, &store, context.settings.run_id.clone());
    let moved = start::move_to(participation, &context, &connector, &leases);
    // An interrupted start is an end: the session finds the interrupt itself.
    interrupt.run_until_cancelled(moved).await.transpose()?;
    let schemas = ends
        .registry
        .map(|registry| Arc::new(Schemas::new(registry)));
    if context.settings.replay_dead_letters {
        let letters = store.documents(&context.settings.dead_letter_collection());
        dead_letter::replay(&context, &documents, &letters, schemas.as_ref()).await?;
    }
    let session = Session::new(
        Arc::clone(&context),
        connector,
        (store, leases, schemas),
        Arc::clone(&observer),
        participation,
    );
    let (recorder, start) = (session.recorder(), session.start());
    let ended = CancellationToken::new();
    let gathering = tokio::spawn(gather(
        Arc::clone(&context),
        vec![Arc::clone(&recorder)],
        start,
        Arc::clone(&observer),
        ended.clone(),
    ));
    observer.phase(Phase::Running);
    let working = consumer.spawn(session.run(interrupt)).await;
    let done = working.map_err(|_panicked| Error::Panicked { role: "consumer" })?;
    ended.cancel();
    let gathered = gathering.await.unwrap_or_default();
    let mut recording = Recording::default();
    recording.merge(&recorder.lock());
    recording.stages = gathered.stages;
    Ok(Consumed {
        done,
        recording,
        intervals: gathered.intervals,
        start,
    })
}
