//! One member of a group: observes the group once per heartbeat, reads the partitions that it owns,
//! and gives up the others.
//!
//! Each partition has its own consumer and writer. To give a partition up, the consumer ends: the
//! writer stores the last records and writes the checkpoint, and then the lease is freed.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::broker::{self, Connector, Isolation, PartitionReader};
use crate::cause::chain;
use crate::measure::{Recorder, nanos};
use crate::pipeline::context::Context;
use crate::pipeline::dead_letter::{DeadLetters, LetterCollection};
use crate::pipeline::error::Error;
use crate::pipeline::group::claiming::{Claim, claim};
use crate::pipeline::group::ending::{Ending, Ownership, PartitionLag, SessionOutcome};
use crate::pipeline::group::leases::Leases;
use crate::pipeline::group::membership::{Action, Membership, Timing};
use crate::pipeline::group::participation::{Length, Participation};
use crate::pipeline::ingest::{
    Checkpoints, ConsumerPartition, GroupIntake, PartitionConsumer, Schemas, Targets, WRITER_INPUT,
    Writer,
};
use crate::pipeline::interrupt::Interrupt;
use crate::pipeline::outage::{Failing, Outage};
use crate::pipeline::run::Observer;
use crate::pipeline::settings::StorageSettings;
use crate::pipeline::topic_partition::TopicPartition;
use crate::store::{self, Connection};

/// How often the session checks whether it is over.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// How long the ends of the owned partitions are looked up when the session ends.
const LAST_LOOK_UP: Duration = Duration::from_secs(2);

/// What a session is connected to.
#[derive(Debug)]
pub struct Connections {
    pub connector: Connector,
    pub store: Connection,
    pub leases: Leases,
    /// `None` without a registry: then schemas are not checked.
    pub schemas: Option<Arc<Schemas>>,
}

/// One running member.
#[derive(Debug)]
pub struct Session {
    context: Arc<Context>,
    storage: Arc<StorageSettings>,
    observer: Arc<dyn Observer>,
    connections: Connections,
    dead_letters: Arc<DeadLetters>,
    isolation: Isolation,
    timing: Timing,
    length: Length,
    membership: Membership,
    /// Dropping a sender ends the consumer of its partition.
    reading: BTreeMap<TopicPartition, watch::Sender<Option<Arc<[i64]>>>>,
    workers: JoinSet<Ended>,
    recorder: Arc<Recorder>,
    outcome: SessionOutcome,
    reported: Option<BTreeSet<TopicPartition>>,
    last_view: u64,
    /// When the first of the failed claims was, if no claim has succeeded since.
    claims_fail_since: Option<u64>,
    /// Whether the last view of the group failed.
    store_outage: Option<Failing>,
    /// Whether the session is over and its consumers end.
    stopping: bool,
    /// Whether the last claims failed.
    broker_outage: Option<Failing>,
    start: u64,
}

/// A consumer and its writer have ended.
#[derive(Debug)]
struct Ended {
    ownership: Ownership,
    runs: BTreeSet<String>,
    result: Result<(), Error>,
}

/// Since when nothing has been fetched.
#[derive(Debug, Default)]
struct Idle {
    counts: (u64, u64),
    since: u64,
}

impl Session {
    /// Joins the group as the member `run_id`. It owns no partition yet.
    pub fn new(
        context: Arc<Context>,
        storage: Arc<StorageSettings>,
        connections: Connections,
        participation: &Participation,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let (timing, length) = (participation.timing, participation.length);
        let member = context.settings.run_id.clone();
        let partitions = context.partitions().collect();
        let letters = LetterCollection {
            documents: connections
                .store
                .documents(&storage.dead_letter_collection()),
            timeout: storage.store_timeout,
        };
        let (connector, topics) = (connections.connector.clone(), context.settings.topics.len());
        let start = context.clock.now();
        Self {
            context,
            storage,
            observer,
            connections,
            dead_letters: Arc::new(DeadLetters::new(Some(letters), connector, topics)),
            isolation: participation.isolation,
            timing,
            length,
            membership: Membership::new(member, timing, partitions),
            reading: BTreeMap::new(),
            workers: JoinSet::new(),
            recorder: Arc::default(),
            outcome: SessionOutcome::default(),
            reported: None,
            last_view: start,
            claims_fail_since: None,
            store_outage: None,
            stopping: false,
            broker_outage: None,
            start,
        }
    }

    pub fn recorder(&self) -> Arc<Recorder> {
        Arc::clone(&self.recorder)
    }

    /// Returns the start of the session, nanoseconds on the process's clock.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Consumes until the session is over, then stores the last records and frees all partitions.
    pub async fn run(mut self, interrupt: Interrupt) -> SessionOutcome {
        let leases = self.connections.leases.clone();
        match interrupt
            .requested
            .run_until_cancelled(leases.heartbeat(0))
            .await
        {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                self.outcome.failure = Some(Error::Store(error));
                return self.outcome;
            }
            None => self.outcome.interrupted = true,
        }
        let heartbeats = tokio::spawn(send_heartbeats(leases.clone(), self.timing.heartbeat));
        self.consume(&interrupt.requested).await;
        let owned = self.stop(&interrupt.drain_over).await;
        self.outcome.interrupted |= interrupt.is_requested();
        self.outcome.lag = self.remaining(owned, &interrupt.audit_over).await;
        heartbeats.abort();
        self.outcome.ownerships.sort();
        let leaving = leases.leave(&self.context);
        match interrupt.audit_over.run_until_cancelled(leaving).await {
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::warn!(
                error = chain(&error),
                "failed to leave the group; its members will evict this one"
            ),
            None => tracing::warn!("did not leave the group; its members will evict this one"),
        }
        self.outcome
    }

    async fn consume(&mut self, interrupt: &CancellationToken) {
        let mut observations = tokio::time::interval(self.timing.heartbeat);
        observations.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut polls = tokio::time::interval(POLL_INTERVAL.min(self.timing.heartbeat));
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut idle = Idle::default();
        while self.outcome.failure.is_none() {
            tokio::select! {
                _due = observations.tick() => {
                    tokio::select! {
                        () = self.observe() => {}
                        // Partitions that were just claimed are freed when the member leaves.
                        () = interrupt.cancelled() => {}
                    }
                }
                _due = polls.tick() => {
                    if let Some(ending) = self.ending(&mut idle) {
                        self.outcome.ending = ending;
                        return;
                    }
                }
                Some(ended) = self.workers.join_next() => self.worker_ended(ended),
                () = interrupt.cancelled() => {
                    self.outcome.interrupted = true;
                    return;
                }
            }
            self.report_ownership();
        }
    }

    /// Reads the group once and acts on it.
    async fn observe(&mut self) {
        let view = match self.connections.leases.view(&self.context).await {
            Ok(view) => view,
            Err(error) => {
                let (now, cause) = (self.context.clock.now(), chain(&error));
                let outage = &self.context.store_outage;
                outage.failed(&mut self.store_outage, now, &cause);
                tracing::debug!(error = cause, "failed to read the group");
                let waited = now.saturating_sub(self.last_view);
                if waited > nanos(self.storage.store_timeout) {
                    self.outcome.failure = Some(Error::Store(error));
                }
                return;
            }
        };
        let now = self.context.clock.now();
        self.last_view = now;
        Outage::end(&mut self.store_outage, now);
        let mut claims = Vec::new();
        for action in self.membership.observe(now, &view) {
            match action {
                Action::Claim(partition, epoch) => claims.push((partition, epoch)),
                Action::GiveUp(partition) | Action::Drop(partition) => {
                    self.reading.remove(&partition);
                }
                Action::Free(partition, epoch) => {
                    let freed = self
                        .connections
                        .leases
                        .free(&self.context, partition, epoch);
                    log_error(freed.await, "failed to free a partition");
                }
                Action::Evict(member, heartbeat) => {
                    tracing::warn!(member, "evicting a member without heartbeats");
                    let evicted = self.connections.leases.evict(&member, heartbeat);
                    log_error(evicted.await, "failed to evict a member");
                }
            }
        }
        let claimed = claims
            .into_iter()
            .map(|(partition, epoch)| self.claim(partition, epoch));
        for (partition, claimed) in join_all(claimed).await {
            match claimed {
                Ok(Some(claimed)) => {
                    self.start_reading(partition, claimed);
                    self.claims_fail_since = None;
                    Outage::end(&mut self.broker_outage, now);
                }
                Ok(None) => self.membership.left(partition),
                Err(error) => {
                    let cause = chain(&error);
                    let outage = &self.context.broker_outage;
                    outage.failed(&mut self.broker_outage, now, &cause);
                    tracing::debug!(error = cause, "failed to claim a partition");
                    self.membership.left(partition);
                    let since = *self.claims_fail_since.get_or_insert(now);
                    let timeout = nanos(self.context.settings.timeouts.broker);
                    if now.saturating_sub(since) > timeout {
                        self.outcome.failure.get_or_insert(error);
                    }
                }
            }
        }
    }

    fn claim(
        &self,
        partition: TopicPartition,
        epoch: i64,
    ) -> impl Future<Output = (TopicPartition, Result<Option<Claim>, Error>)> + Send + use<> {
        let (context, leases) = (Arc::clone(&self.context), self.connections.leases.clone());
        let reader = self.reader(partition);
        async move {
            let claimed = claim(&context, &leases, reader, partition, epoch).await;
            (partition, claimed)
        }
    }

    fn reader(&self, partition: TopicPartition) -> PartitionReader {
        let (topic, connector) = (self.context.topic(partition), &self.connections.connector);
        connector.reader(topic, partition.number, self.isolation)
    }

    /// Starts the consumer and the writer of a claimed partition.
    fn start_reading(&mut self, partition: TopicPartition, claim: Claim) {
        let (epoch, position) = (claim.epoch, claim.place.offset);
        let topic_id = claim.place.topic_id;
        self.context.set_topic_id(partition, topic_id);
        self.membership.claimed(partition, epoch);
        let (end, ends) = watch::channel(None);
        self.reading.insert(partition, end);
        let (context, storage) = (Arc::clone(&self.context), Arc::clone(&self.storage));
        let (connections, leases) = (&self.connections, self.connections.leases.clone());
        let schemas = connections.schemas.clone();
        let source = ConsumerPartition {
            topic_partition: partition,
            partition: claim.reader,
            position,
            intake: GroupIntake::new(Arc::clone(&context), partition, topic_id, schemas, &storage),
        };
        let owner = storage.checkpoint_owner(&context.settings).to_owned();
        let progress = context.lag.track(partition, position);
        let targets = Targets {
            documents: connections.store.documents(&storage.collection),
            dead_letters: Arc::clone(&self.dead_letters),
            checkpoints: Checkpoints::new(leases.checkpoints(), owner, epoch)
                .reporting_to(Arc::clone(&progress)),
        };
        let (input, output) = mpsc::channel(WRITER_INPUT);
        let consumer = PartitionConsumer::new(Arc::clone(&context), source, None, ends, input)
            .reporting_to(progress);
        let writer = Writer::new(Arc::clone(&context), storage, output, targets, Arc::new([]))
            .recording_to(Arc::clone(&self.recorder));
        let mut ownership = Ownership {
            partition,
            epoch,
            from: position,
            to: position,
            taken: false,
        };
        self.workers.spawn(async move {
            let (read, written) = tokio::join!(consumer.run(), writer.run());
            let mut runs = BTreeSet::new();
            let read = read.map(|(position, intake)| {
                ownership.to = position;
                runs = intake.into_runs();
            });
            let result = match (read, written) {
                (_, Err(Error::Store(store::Error::Fenced { .. }))) => {
                    ownership.taken = true;
                    Ok(())
                }
                // The next claim finds where to read on.
                (
                    Err(Error::Broker(
                        broker::Error::TopicRecreated { .. } | broker::Error::LogTruncated { .. },
                    )),
                    Ok(()),
                ) => Ok(()),
                (read, written) => written.and(read),
            };
            let freed = leases.free(&context, partition, epoch);
            log_error(freed.await, "failed to free a partition");
            Ended {
                ownership,
                runs,
                result,
            }
        });
    }

    fn worker_ended(&mut self, ended: Result<Ended, JoinError>) {
        let Ok(ended) = ended else {
            self.outcome
                .failure
                .get_or_insert(Error::Panicked { role: "consumer" });
            return;
        };
        let partition = ended.ownership.partition;
        self.reading.remove(&partition);
        if !self.stopping {
            self.context.lag.forget(partition);
        }
        self.membership.left(partition);
        self.outcome.ownerships.push(ended.ownership);
        self.outcome.runs.extend(ended.runs);
        if let Err(error) = ended.result {
            tracing::error!(error = chain(&error), "a consumer failed");
            self.outcome.failure.get_or_insert(error);
        }
    }

    /// Stops all consumers once the last records are stored, or the user no longer waits for it.
    /// Returns the partitions that were owned.
    async fn stop(&mut self, over: &CancellationToken) -> Vec<TopicPartition> {
        let owned = self.reading.keys().copied().collect();
        self.reading.clear();
        self.stopping = true;
        let timeout = self.storage.drain_timeout;
        let joining = async {
            while let Some(ended) = self.workers.join_next().await {
                self.worker_ended(ended);
            }
        };
        let stopped = tokio::time::timeout(timeout, over.run_until_cancelled(joining)).await;
        if !matches!(stopped, Ok(Some(()))) {
            tracing::warn!(
                "gave up the last records; the next owner of their partitions reads them"
            );
            self.workers.shutdown().await;
        }
        self.report_ownership();
        owned
    }

    /// Looks up what is left of some partitions; unknown if the user no longer waits for it.
    async fn remaining(
        &self,
        owned: Vec<TopicPartition>,
        over: &CancellationToken,
    ) -> Vec<PartitionLag> {
        let positions = self.context.lag.positions();
        let looking_up = owned.into_iter().filter_map(|partition| {
            let committed = *positions.get(&partition)?;
            let mut log = self.reader(partition);
            Some(async move {
                let offsets = over.run_until_cancelled(Box::pin(log.offsets()));
                let offsets = tokio::time::timeout(LAST_LOOK_UP, offsets).await;
                let end = offsets
                    .ok()
                    .flatten()
                    .and_then(Result::ok)
                    .map(|(_earliest, end)| end);
                PartitionLag {
                    partition,
                    committed,
                    end,
                }
            })
        });
        join_all(looking_up).await
    }

    /// Returns what ends the session now.
    ///
    /// The session is idle once nothing has arrived for a while, and after that the broker says of
    /// every owned partition that it has no record left, and all records are stored.
    fn ending(&self, idle: &mut Idle) -> Option<Ending> {
        let (context, now) = (&self.context, self.context.clock.now());
        let counters = &context.counters;
        // A broker that does not respond may still have records.
        let counts = (counters.fetched.get(), counters.fetches_failed.get());
        if idle.counts != counts || !self.membership.settled(now) || idle.since == 0 {
            *idle = Idle { counts, since: now };
        }
        let due = |since: u64, limit: Option<Duration>| {
            limit
                .map(|limit| since.saturating_add(nanos(limit)))
                .filter(|due| *due <= now)
        };
        if (self.length.records).is_some_and(|records| counters.stored.get() >= records) {
            return Some(Ending::Records);
        }
        if let Some(due) = due(idle.since, self.length.idle)
            && context.lag.is_exhausted_since(due)
        {
            return Some(Ending::Idle);
        }
        due(self.start, self.length.duration).map(|_over| Ending::Duration)
    }

    /// Reports the owned partitions to the observer, if they have changed.
    fn report_ownership(&mut self) {
        let owned: BTreeSet<TopicPartition> = self.membership.owned().collect();
        if self.reported.as_ref() != Some(&owned) {
            self.observer.owned(&self.context, &owned);
            self.reported = Some(owned);
        }
    }
}

/// Sends heartbeats until aborted.
async fn send_heartbeats(leases: Leases, interval: Duration) {
    for number in 1.. {
        log_error(leases.heartbeat(number).await, "failed to send a heartbeat");
        tokio::time::sleep(interval).await;
    }
}

fn log_error(result: Result<(), store::Error>, message: &'static str) {
    if let Err(error) = result {
        tracing::warn!(error = chain(&error), "{message}");
    }
}
