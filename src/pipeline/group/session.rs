//! One member of a group: claims and reads the partitions that the group assigns to it, and gives up
//! the others.
//!
//! Each partition has its own consumer and writer. To give a partition up, the consumer ends: the
//! writer stores the last records and writes the checkpoint, and then the membership commits it.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::broker::{
    self, Connector, Isolation, LOWEST_SESSION_TIMEOUT, MemberSettings, PartitionReader,
};
use crate::cause::chain;
use crate::measure::{Recorder, nanos};
use crate::pipeline::context::Context;
use crate::pipeline::dead_letter::{DeadLetters, LetterCollection};
use crate::pipeline::error::Error;
use crate::pipeline::group::claiming::{Claim, claim};
use crate::pipeline::group::claims::Claims;
use crate::pipeline::group::ending::{Ending, Ownership, PartitionLag, SessionOutcome};
use crate::pipeline::group::handle::{Handle, Standing};
use crate::pipeline::group::idle::{Idle, Others, have_unread};
use crate::pipeline::group::membership::Membership;
use crate::pipeline::group::participation::{Length, Participation, Timing};
use crate::pipeline::group::reset::client_id;
use crate::pipeline::group::worker::{Ended, Worker};
use crate::pipeline::ingest::{
    Checkpoints, ConsumerPartition, GroupIntake, PartitionConsumer, Schemas, Targets, WRITER_INPUT,
    Writer,
};
use crate::pipeline::interrupt::Interrupt;
use crate::pipeline::outage::{Failing, Outage};
use crate::pipeline::run::Observer;
use crate::pipeline::settings::StorageSettings;
use crate::pipeline::topic_partition::TopicPartition;
use crate::store::Connection;

/// How often the session checks whether it is over.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// What a session is connected to.
#[derive(Debug)]
pub struct Connections {
    pub connector: Connector,
    pub store: Connection,
    pub claims: Claims,
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
    membership: Handle,
    /// The task of the membership, until it is started.
    task: Option<Membership>,
    shown: watch::Receiver<Standing>,
    /// The assignment that the session follows.
    standing: Standing,
    /// Number of the last assignment whose other partitions are given up.
    released: u64,
    claims: JoinSet<Claimed>,
    claiming: BTreeSet<TopicPartition>,
    /// Dropping a sender ends the consumer of its partition.
    reading: BTreeMap<TopicPartition, watch::Sender<Option<Arc<[i64]>>>>,
    workers: JoinSet<Ended>,
    /// Partitions with a consumer or a writer.
    working: BTreeSet<TopicPartition>,
    recorder: Arc<Recorder>,
    outcome: SessionOutcome,
    reported: Option<BTreeSet<TopicPartition>>,
    /// When the first of the failed claims was, if no claim has succeeded since.
    claims_fail_since: Option<u64>,
    /// Whether the last claims failed, at the broker or at the store.
    broker_outage: Option<Failing>,
    store_outage: Option<Failing>,
    /// Whether the session is over and its consumers end.
    stopping: bool,
    start: u64,
}

/// A claim has ended. Without a claim, another process was faster.
type Claimed = (TopicPartition, Result<Option<Claim>, Error>);

impl Session {
    /// Creates a member that has not joined its group yet.
    pub fn new(
        context: Arc<Context>,
        storage: Arc<StorageSettings>,
        connections: Connections,
        participation: &Participation,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let (timing, length) = (participation.timing, participation.length);
        let letters = LetterCollection {
            documents: connections
                .store
                .documents(&storage.dead_letter_collection()),
            timeout: storage.store_timeout,
        };
        let (connector, topics) = (connections.connector.clone(), context.settings.topics.len());
        let member = connector.group_member(MemberSettings {
            group: storage.checkpoint_owner(&context.settings).to_owned(),
            client_id: client_id(&context),
            topics: context.settings.topics.iter().cloned().collect(),
            instance: participation.instance.clone(),
            session_timeout: timing.session_timeout,
            rebalance_timeout: timing.rebalance_timeout,
        });
        let (task, membership, shown) = Membership::new(Arc::clone(&context), member, timing);
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
            membership,
            task: Some(task),
            shown,
            standing: Standing::default(),
            released: 0,
            claims: JoinSet::new(),
            claiming: BTreeSet::new(),
            reading: BTreeMap::new(),
            workers: JoinSet::new(),
            working: BTreeSet::new(),
            recorder: Arc::default(),
            outcome: SessionOutcome::default(),
            reported: None,
            claims_fail_since: None,
            broker_outage: None,
            store_outage: None,
            stopping: false,
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

    /// Consumes until the session is over, then stores the last records and leaves the group.
    pub async fn run(mut self, interrupt: Interrupt) -> SessionOutcome {
        let Some(task) = self.task.take() else {
            return self.outcome;
        };
        let mut member = tokio::spawn(task.run());
        self.consume(&mut member, &interrupt.requested).await;
        let owned = self.stop(&interrupt.drain_over).await;
        self.outcome.interrupted |= interrupt.is_requested();
        self.outcome.lag = self.remaining(owned, &interrupt.audit_over).await;
        self.outcome.ownerships.sort();
        self.leave(member, &interrupt.audit_over).await;
        self.outcome
    }

    /// Commits the last positions and leaves the group, or lets it evict this member.
    async fn leave(
        &mut self,
        mut member: JoinHandle<Result<(), broker::Error>>,
        over: &CancellationToken,
    ) {
        if member.is_finished() {
            return;
        }
        let leaving = async {
            self.membership.leave().await;
            (&mut member).await
        };
        let timeout = self.context.settings.timeouts.request;
        let left = tokio::time::timeout(timeout, over.run_until_cancelled(leaving)).await;
        match left {
            Ok(Some(Ok(Err(error)))) if self.outcome.failure.is_none() => tracing::warn!(
                error = chain(&error),
                "failed to commit the last offsets; the checkpoints have them"
            ),
            Ok(Some(_ended)) => {}
            _ => {
                member.abort();
                tracing::warn!(
                    "did not leave the group; it evicts this member after the session timeout"
                );
            }
        }
    }

    async fn consume(
        &mut self,
        member: &mut JoinHandle<Result<(), broker::Error>>,
        interrupt: &CancellationToken,
    ) {
        let mut claims = tokio::time::interval(self.timing.heartbeat);
        claims.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut polls = tokio::time::interval(POLL_INTERVAL.min(self.timing.heartbeat));
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut idle = Idle::default();
        let mut others = Others::default();
        while self.outcome.failure.is_none() {
            tokio::select! {
                Ok(()) = self.shown.changed() => self.follow(),
                ended = &mut *member => {
                    self.outcome.failure = Some(match ended {
                        Ok(Err(error)) => Error::Broker(error),
                        Ok(Ok(())) | Err(_) => Error::Panicked { role: "group member" },
                    });
                }
                _due = claims.tick() => self.claim(),
                Some(claimed) = self.claims.join_next() => self.claimed(claimed).await,
                Some(ended) = self.workers.join_next() => self.worker_ended(ended),
                _due = polls.tick() => {
                    if let Some(ending) = self.ending(&mut idle, &mut others) {
                        self.outcome.ending = ending;
                        return;
                    }
                }
                () = interrupt.cancelled() => {
                    self.outcome.interrupted = true;
                    return;
                }
            }
            self.release().await;
            if self.claiming.is_empty() {
                self.report_ownership();
            }
        }
    }

    /// Follows a new assignment: ends the consumers of other partitions, and claims new ones.
    fn follow(&mut self) {
        self.standing = self.shown.borrow_and_update().clone();
        let assigned = &self.standing.assigned;
        self.reading
            .retain(|partition, _| assigned.contains(partition));
        self.claim();
    }

    /// Claims the assigned partitions that nothing reads.
    fn claim(&mut self) {
        for partition in &self.standing.assigned {
            if self.working.contains(partition) || !self.claiming.insert(*partition) {
                continue;
            }
            let (context, claims) = (Arc::clone(&self.context), self.connections.claims.clone());
            let (membership, partition) = (self.membership.clone(), *partition);
            let reader = self.reader(partition);
            self.claims.spawn(async move {
                let claimed = claim(&context, &claims, &membership, reader, partition).await;
                (partition, claimed)
            });
        }
    }

    /// Starts to read a claimed partition. A failed claim is retried after a heartbeat.
    async fn claimed(&mut self, claimed: Result<Claimed, JoinError>) {
        let Ok((partition, claimed)) = claimed else {
            let panicked = Error::Panicked { role: "claim" };
            self.outcome.failure.get_or_insert(panicked);
            return;
        };
        self.claiming.remove(&partition);
        let now = self.context.clock.now();
        match claimed {
            Ok(claim) => {
                self.claims_fail_since = None;
                Outage::end(&mut self.broker_outage, now);
                Outage::end(&mut self.store_outage, now);
                let claim = claim.filter(|_| self.standing.assigned.contains(&partition));
                if let Some(claim) = claim {
                    self.start_reading(partition, claim).await;
                }
            }
            Err(error) => self.claim_failed(error, now),
        }
    }

    fn claim_failed(&mut self, error: Error, now: u64) {
        let cause = chain(&error);
        let (context, storage) = (&self.context, &self.storage);
        let timeout = if matches!(error, Error::Store(_)) {
            let outage = &context.store_outage;
            outage.failed(&mut self.store_outage, now, &cause);
            storage.store_timeout
        } else {
            let outage = &context.broker_outage;
            outage.failed(&mut self.broker_outage, now, &cause);
            context.settings.timeouts.broker
        };
        tracing::debug!(error = cause, "failed to claim a partition");
        let since = *self.claims_fail_since.get_or_insert(now);
        if now.saturating_sub(since) > nanos(timeout) {
            self.outcome.failure.get_or_insert(error);
        }
    }

    /// Tells the membership once nothing is read that is not assigned any more.
    async fn release(&mut self) {
        let assigned = &self.standing.assigned;
        let left = self.working.is_subset(assigned) && self.claiming.is_subset(assigned);
        if left && self.released != self.standing.number {
            self.released = self.standing.number;
            self.membership.released(self.released).await;
        }
    }

    fn reader(&self, partition: TopicPartition) -> PartitionReader {
        let (topic, connector) = (self.context.topic(partition), &self.connections.connector);
        connector.reader(topic, partition.number, self.isolation)
    }

    /// Starts the consumer and the writer of a claimed partition.
    async fn start_reading(&mut self, partition: TopicPartition, claim: Claim) {
        let (epoch, position) = (claim.epoch, claim.place.offset);
        let topic_id = claim.place.topic_id;
        self.context.set_topic_id(partition, topic_id);
        self.working.insert(partition);
        let (end, ends) = watch::channel(None);
        self.reading.insert(partition, end);
        let (context, storage) = (Arc::clone(&self.context), Arc::clone(&self.storage));
        let connections = &self.connections;
        let schemas = connections.schemas.clone();
        let source = ConsumerPartition {
            topic_partition: partition,
            partition: claim.reader,
            position,
            intake: GroupIntake::new(Arc::clone(&context), partition, topic_id, schemas, &storage),
        };
        let owner = storage.checkpoint_owner(&context.settings).to_owned();
        let progress = context.lag.track(partition, position);
        let committed = Arc::clone(&progress);
        self.membership.track(partition, committed).await;
        let targets = Targets {
            documents: connections.store.documents(&storage.collection),
            dead_letters: Arc::clone(&self.dead_letters),
            checkpoints: Checkpoints::new(connections.claims.checkpoints(), owner, epoch)
                .reporting_to(Arc::clone(&progress)),
        };
        let (input, output) = mpsc::channel(WRITER_INPUT);
        let consumer = PartitionConsumer::new(Arc::clone(&context), source, None, ends, input)
            .reporting_to(progress);
        let writer = Writer::new(Arc::clone(&context), storage, output, targets, Arc::new([]))
            .recording_to(Arc::clone(&self.recorder));
        let worker = Worker {
            consumer,
            writer,
            ownership: Ownership {
                partition,
                epoch,
                from: position,
                to: position,
                taken: false,
            },
        };
        self.workers.spawn(worker.run());
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
        self.working.remove(&partition);
        if !self.stopping {
            self.context.lag.forget(partition);
        }
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
        self.claims.shutdown().await;
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
            let log = self.reader(partition);
            Some(PartitionLag::look_up(partition, committed, log, over))
        });
        join_all(looking_up).await
    }

    /// Returns what ends the session now.
    ///
    /// The session is idle once nothing has arrived for a while, and after that the broker says of
    /// every owned partition that it has no record left, and all records are stored. If the group has
    /// other members, their partitions must have no record left either, or a member that was killed
    /// would have been evicted by now.
    fn ending(&self, idle: &mut Idle, others: &mut Others) -> Option<Ending> {
        let (context, now) = (&self.context, self.context.clock.now());
        let counters = &context.counters;
        if (self.length.records).is_some_and(|records| counters.stored.get() >= records) {
            return Some(Ending::Records);
        }
        // A broker that does not respond may still have records.
        let counts = (counters.fetched.get(), counters.fetches_failed.get());
        let since = idle.observe(counts, self.is_settled(), now);
        if let Some(limit) = self.length.idle {
            let due = since.saturating_add(nanos(limit));
            if due <= now && context.lag.is_exhausted_since(due) {
                let session_timeout = self.timing.session_timeout.max(LOWEST_SESSION_TIMEOUT);
                let evicted = due.saturating_add(nanos(session_timeout));
                let over = self.standing.alone || evicted <= now;
                if over || others.have_read_all(self.others_unread()) {
                    return Some(Ending::Idle);
                }
            } else {
                *others = Others::default();
            }
        }
        let duration = self.length.duration?;
        let due = self.start.saturating_add(nanos(duration));
        (due <= now).then_some(Ending::Duration)
    }

    /// Returns whether the group does not rebalance, and this member reads all that it has.
    fn is_settled(&self) -> bool {
        let assigned = &self.standing.assigned;
        self.standing.stable
            && self.claiming.is_empty()
            && self.working == *assigned
            && self.reading.len() == assigned.len()
    }

    /// Returns a look-up of whether the other members have left records unread.
    fn others_unread(&self) -> impl Future<Output = bool> + Send + use<> {
        let all = self.context.partitions();
        let others = all.filter(|partition| !self.standing.assigned.contains(partition));
        let readers = others.map(|partition| (partition, self.reader(partition)));
        have_unread(self.membership.clone(), readers.collect())
    }

    /// Reports the owned partitions to the observer, if they have changed.
    fn report_ownership(&mut self) {
        let owned: BTreeSet<TopicPartition> = self.reading.keys().copied().collect();
        if self.reported.as_ref() != Some(&owned) {
            self.observer.owned(&self.context, &owned);
            self.reported = Some(owned);
        }
    }
}
