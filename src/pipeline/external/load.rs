//! The phases of a run with an external consumer.

use std::sync::Arc;
use std::time::Duration;

use crate::broker::{Connector, Offsets, PartitionReader};
use crate::faults::DataKind;
use crate::pipeline::audit::Case;
use crate::pipeline::context::Context;
use crate::pipeline::error::Error;
use crate::pipeline::external::arrivals::Arrivals;
use crate::pipeline::external::audit::{Collected, audit, elsewhere, is_ordered};
use crate::pipeline::external::holding::{ConsumerProcess, Holding};
use crate::pipeline::external::settling::{Settled, Settling};
use crate::pipeline::interrupt::Interrupt;
use crate::pipeline::retry;
use crate::pipeline::run::{
    Endpoints, Finished, Observer, Outcome, Phase, ProducerSettings, Producers, Roles, Tasks,
    connector, end_of_audit, open_store, partition_reader, prepare_producers, telling,
};
use crate::pipeline::settings::{EmissionSettings, StorageSettings};
use crate::store::{Checkouts, Connection, Documents};

/// How long the number of documents before the run may take to find out.
const FIRST_COUNT_DEADLINE: Duration = Duration::from_secs(10);

/// What a run with an external consumer emits, and where it looks for documents.
#[derive(Debug, Clone)]
pub struct ExternalSettings {
    /// Fleet, workload and messages.
    pub emission: Arc<EmissionSettings>,
    /// Database and collection of the documents.
    pub storage: Arc<StorageSettings>,
    /// The consumer is done when no new document has arrived for this long.
    pub settle: Duration,
    /// The consumer's process, if convoy runs it.
    pub process: Option<Arc<dyn ConsumerProcess>>,
}

/// A prepared run: topics exist, and nothing is emitted yet.
#[derive(Debug)]
pub struct ExternalRun {
    context: Arc<Context>,
    settings: ExternalSettings,
    producers: Producers,
    connector: Connector,
    /// A reader of each partition, and where its log ended before the run.
    partitions: Vec<(PartitionReader, i64)>,
    store: Connection,
    documents: Documents,
    /// Documents that were in the collection before.
    existing: u64,
    arrivals: Option<Arc<Arrivals>>,
}

/// A run whose readings are emitted and whose consumer is done.
#[derive(Debug)]
pub struct Loaded {
    context: Arc<Context>,
    settings: ExternalSettings,
    store: Connection,
    documents: Documents,
    /// Documents that were in the collection before.
    existing: u64,
    /// Why the run no longer waited for the consumer.
    pub settled: Settled,
    appended_again: Option<u64>,
    accounted: bool,
    finished: Finished,
}

impl ExternalRun {
    /// Creates the topics and connects to broker and store. `arrivals` watches an embedded store.
    pub async fn prepare(
        context: &Arc<Context>,
        settings: ExternalSettings,
        endpoints: Endpoints,
        roles: &Roles,
        arrivals: Option<Arc<Arrivals>>,
        interrupt: &Interrupt,
    ) -> Result<Self, Error> {
        let producing = ProducerSettings {
            emission: Arc::clone(&settings.emission),
            broker: endpoints.broker.clone(),
            registry: endpoints.registry,
        };
        let preparing = async {
            let producers = prepare_producers(context, &producing, &roles.producer).await?;
            let connector = connector(context, &endpoints.broker);
            let mut partitions = Vec::new();
            for partition in context.partitions() {
                let mut reader = partition_reader(context, &connector, partition);
                let timeout = context.settings.timeouts.broker;
                let found = retry::offsets(context, &mut reader, timeout).await;
                let (_earliest, end) = found.map_err(Error::Broker)?;
                partitions.push((reader, end));
            }
            let storage = &settings.storage;
            let store = open_store(context, storage, &endpoints.store, &roles.consumer).await?;
            Ok((producers, connector, partitions, store))
        };
        let prepared = interrupt.requested.run_until_cancelled(Box::pin(preparing));
        let (producers, connector, partitions, store) =
            prepared.await.ok_or(Error::Interrupted)??;
        let documents = store.documents(&settings.storage.collection);
        let existing = tokio::time::timeout(FIRST_COUNT_DEADLINE, documents.count()).await;
        Ok(Self {
            context: Arc::clone(context),
            settings,
            producers,
            connector,
            partitions,
            store,
            documents,
            existing: existing.ok().and_then(Result::ok).unwrap_or_default(),
            arrivals,
        })
    }

    /// Emits all readings and waits until the consumer is done.
    pub async fn load(self, observer: &Arc<dyn Observer>, interrupt: &Interrupt) -> Loaded {
        let Self {
            context,
            settings,
            producers,
            connector,
            mut partitions,
            store,
            documents,
            existing,
            arrivals,
        } = self;
        let emission = &settings.emission;
        let arrivals = arrivals.as_deref();
        let mut tasks = Tasks::start(&context, emission, producers, None, arrivals, observer);
        tasks.emit(&context, interrupt, observer).await;
        observer.phase(Phase::Draining);
        tasks.flush(&context, interrupt).await;
        let expected = tasks.acked_readings();
        let settling = Settling {
            context: &context,
            vehicles: emission.fleet.vehicles,
            expected,
            settle: settings.settle,
            documents: &documents,
            existing,
        };
        let ending = ends(&context, &mut partitions);
        let ending = interrupt.drain_over.run_until_cancelled(Box::pin(ending));
        let ends = ending.await.flatten().unwrap_or_default();
        let process = settings.process.as_deref();
        let holding = Holding::new(&connector, &context.settings.run_id, ends, process);
        let settled = settling.wait(arrivals, holding, interrupt).await;
        let counting = appended(&context, &mut partitions);
        let counting = interrupt.drain_over.run_until_cancelled(Box::pin(counting));
        let appended = counting.await.flatten();
        let accounted = tasks.is_accounted();
        let finished = tasks.finish().await;
        let all_acked = accounted && finished.ledger.not_acked == 0;
        let appended_again = appended
            .filter(|_| all_acked)
            .map(|appended| appended.saturating_sub(expected));
        Loaded {
            context,
            settings,
            store,
            documents,
            existing,
            settled,
            appended_again,
            accounted,
            finished,
        }
    }
}

/// Returns the offset after the last record of each partition; `None` if the broker does not respond.
async fn ends(context: &Context, partitions: &mut [(PartitionReader, i64)]) -> Option<Offsets> {
    let mut ends = Offsets::new();
    for (place, (reader, _before)) in context.partitions().zip(partitions) {
        let timeout = context.settings.timeouts.broker;
        let (_earliest, end) = retry::offsets(context, reader, timeout).await.ok()?;
        let topic = context.settings.topics.get(place.topic)?;
        ends.insert((topic.clone(), place.number), end);
    }
    Some(ends)
}

/// Returns the number of records that were appended since the run began; `None` if the broker does
/// not respond.
async fn appended(context: &Context, partitions: &mut [(PartitionReader, i64)]) -> Option<u64> {
    let mut appended = 0;
    for (reader, before) in partitions {
        // Without the number, duplicates of the topic count as the consumer's.
        let timeout = context.settings.timeouts.broker;
        let (_earliest, end) = retry::offsets(context, reader, timeout).await.ok()?;
        appended += end.saturating_sub(*before).max(0).unsigned_abs();
    }
    Some(appended)
}

impl Loaded {
    /// Compares the collection with the readings.
    pub async fn audit(self, observer: &Arc<dyn Observer>, interrupt: &Interrupt) -> Outcome {
        let Self {
            context,
            settings,
            store,
            documents,
            existing,
            settled,
            appended_again,
            accounted,
            finished,
        } = self;
        let emission = &*settings.emission;
        let checkouts: Checkouts = store.checkouts();
        observer.phase(Phase::Auditing);
        let case = Case::new(&context, emission, finished.ledger, finished.start);
        let auditing = Box::pin(async {
            let tell = || observer.audited(case.visited.get(), case.ledger.emitted);
            telling(tell, Box::pin(audit(&case, emission, &documents, existing))).await
        });
        let audited = if accounted {
            let audited = interrupt.audit_over.run_until_cancelled(auditing).await;
            audited.unwrap_or(Err(Error::Interrupted))
        } else {
            Err(Error::Interrupted)
        };
        let (audited, failure) = end_of_audit(audited, finished.failure, &context, interrupt);
        let injected = case.ledger.injected.get(&DataKind::Duplicate).copied();
        let injected = injected.unwrap_or_default();
        let appended_again = appended_again.map(|again| again.saturating_sub(injected));
        let mut collected = Collected::unaudited(settled, is_ordered(emission), appended_again);
        let verdict = audited.map(|audited| {
            let mut verdict = collected.fill(audited);
            // They are duplicates of the topic, not of the consumer.
            let resent = appended_again.unwrap_or_default();
            verdict.duplicated = verdict.duplicated.saturating_sub(resent);
            if settled == Settled::Interrupted {
                // The consumer had no time for them.
                verdict.undelivered += std::mem::take(&mut verdict.missing);
            }
            verdict.withheld = context.counters.withheld.get();
            verdict.log_truncations = context.counters.log_truncations.get();
            verdict
        });
        if verdict.as_ref().is_some_and(|it| it.missing > 0) && collected.documents == 0 {
            let looking = Box::pin(elsewhere(&store, &documents, &case.run_id));
            let found = interrupt.audit_over.run_until_cancelled(looking).await;
            collected.elsewhere = found.unwrap_or_default();
        }
        Outcome {
            recording: finished.recording,
            intervals: finished.intervals,
            outages: finished.outages,
            verdict,
            failure,
            interrupted: interrupt.is_requested(),
            start: finished.start,
            generator_cpu: finished.generator_cpu,
            checkouts,
            collected: Some(collected),
        }
    }
}
