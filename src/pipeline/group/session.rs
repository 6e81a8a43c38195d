//! One member of a group while it consumes: looks at the group once a beat, reads the partitions
//! it owns, and gives up those it should not have.
//!
//! Each partition has a consumer and a writer of its own, so that giving one up is ending its
//! reading: what was read is stored, the checkpoint written, and then the lease is freed.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::broker::Connector;
use crate::measure::{Recorder, nanos};
use crate::pipeline::Error;
use crate::pipeline::context::{Context, TopicPartition};
use crate::pipeline::dead_letter::DeadLetters;
use crate::pipeline::group::leases::{Claimed, Leases};
use crate::pipeline::group::membership::{Action, Membership, Timing};
use crate::pipeline::group::reset::Start;
use crate::pipeline::ingest::checkpoint::Checkpoints;
use crate::pipeline::ingest::partition_consumer::{Consumer, Consuming};
use crate::pipeline::ingest::intake::Intake;
use crate::pipeline::ingest::schemas::Schemas;
use crate::pipeline::ingest::writer::{Targets, Writer};
use crate::pipeline::run::progress::Observer;
use crate::store::{self, Connection};

/// Fetches that wait for the writer of a partition.
const WRITER_INPUT: usize = 4;

/// How often is looked whether the session is over.
const LOOK_AROUND: Duration = Duration::from_millis(100);

/// What ends a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Length {
    /// After this long.
    pub duration: Option<Duration>,
    /// When this process has stored so many records.
    pub records: Option<u64>,
    /// When nothing has come for so long, and nothing is about to be taken over.
    pub idle: Option<Duration>,
}

/// How a process takes part in its group.
#[derive(Debug, Clone, Copy)]
pub struct Participation {
    /// Where the group begins.
    pub start: Start,
    /// How long members wait for each other.
    pub timing: Timing,
    /// What ends it.
    pub length: Length,
}

/// A time in which this process owned a partition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stint {
    /// Which partition.
    pub partition: TopicPartition,
    /// Under which epoch.
    pub epoch: i64,
    /// Offset it began at.
    pub from: i64,
    /// Offset behind the last record read.
    pub to: i64,
    /// Whether it ended because another member had taken the partition.
    pub taken: bool,
}

/// One member at work.
#[derive(Debug)]
pub struct Session {
    context: Arc<Context>,
    connector: Connector,
    observer: Arc<dyn Observer>,
    leases: Leases,
    store: Connection,
    schemas: Option<Arc<Schemas>>,
    dead_letters: Arc<DeadLetters>,
    timing: Timing,
    length: Length,
    membership: Membership,
    /// Dropping a sender ends the reading of its partition.
    reading: BTreeMap<TopicPartition, watch::Sender<Option<Arc<[i64]>>>>,
    workers: JoinSet<Worked>,
    recorder: Arc<Recorder>,
    done: Done,
    told: Option<BTreeSet<TopicPartition>>,
    last_view: u64,
    /// Since when no partition could be claimed for want of an answer.
    refused_since: Option<u64>,
    start: u64,
}

/// What a session leaves behind.
#[derive(Debug, Default)]
pub struct Done {
    /// Every time in which a partition was owned.
    pub stints: Vec<Stint>,
    /// Runs whose records were read.
    pub runs: BTreeSet<String>,
    /// What ended the session before its time.
    pub failure: Option<Error>,
    /// Whether the user ended it.
    pub interrupted: bool,
}

/// How the work on one partition ended.
#[derive(Debug)]
struct Worked {
    stint: Stint,
    runs: BTreeSet<String>,
    result: Result<(), Error>,
}

/// When something was last seen to move.
#[derive(Debug, Default)]
struct Stillness {
    seen: (u64, u64),
    since: u64,
}

impl Session {
    /// Joins the context's group under a name of its own. Nothing is owned yet.
    pub fn new(
        context: Arc<Context>,
        connector: Connector,
        (store, leases, schemas): (Connection, Leases, Option<Arc<Schemas>>),
        observer: Arc<dyn Observer>,
        Participation { timing, length, .. }: Participation,
    ) -> Self {
        let member = context.settings.run_id.clone();
        let partitions = context.partitions().collect();
        let letters = store.documents(&context.settings.dead_letter_collection());
        let topics = context.settings.topics.len();
        let dead_letters = DeadLetters::new(Some(letters), connector.clone(), topics);
        let dead_letters = Arc::new(dead_letters);
        let start = context.clock.now();
        Self {
            context,
            connector,
            observer,
            leases,
            store,
            schemas,
            dead_letters,
            timing,
            length,
            membership: Membership::new(member, timing, partitions),
            reading: BTreeMap::new(),
            workers: JoinSet::new(),
            recorder: Arc::default(),
            done: Done::default(),
            told: None,
            last_view: start,
            refused_since: None,
            start,
        }
    }

    /// Returns what the session records.
    pub fn recorder(&self) -> Arc<Recorder> {
        Arc::clone(&self.recorder)
    }

    /// Returns when it began, nanoseconds on the process's clock.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Consumes until the session is over, then stores what was read and frees what was owned.
    pub async fn run(mut self, interrupt: CancellationToken) -> Done {
        if let Err(error) = self.leases.beat(0).await {
            self.done.failure = Some(Error::Store(error));
            return self.done;
        }
        let beating = tokio::spawn(beat(self.leases.clone(), self.timing.beat));
        self.consume(&interrupt).await;
        self.stop().await;
        beating.abort();
        self.done.stints.sort();
        if let Err(error) = self.leases.leave(&self.context).await {
            tracing::warn!(%error, "cannot leave the group; the others will notice");
        }
        self.done
    }

    async fn consume(&mut self, interrupt: &CancellationToken) {
        let mut looks = tokio::time::interval(self.timing.beat);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut glances = tokio::time::interval(LOOK_AROUND.min(self.timing.beat));
        glances.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stillness = Stillness::default();
        while self.done.failure.is_none() {
            tokio::select! {
                _due = looks.tick() => {
                    tokio::select! {
                        () = self.look() => {}
                        // What was claimed meanwhile is freed when the group is left.
                        () = interrupt.cancelled() => {}
                    }
                }
                _due = glances.tick() => {
                    if self.over(&mut stillness) {
                        return;
                    }
                }
                Some(worked) = self.workers.join_next() => self.worked(worked),
                () = interrupt.cancelled() => {
                    self.done.interrupted = true;
                    return;
                }
            }
            self.tell();
        }
    }

    /// Looks at the group once and does what follows.
    async fn look(&mut self) {
        let view = match self.leases.view(&self.context).await {
            Ok(view) => view,
            Err(error) => {
                tracing::warn!(%error, "cannot see the group");
                let waited = self.context.clock.now() - self.last_view;
                if waited > nanos(self.context.settings.store_timeout) {
                    self.done.failure = Some(Error::Store(error));
                }
                return;
            }
        };
        let now = self.context.clock.now();
        self.last_view = now;
        let mut claims = Vec::new();
        for action in self.membership.observe(now, &view) {
            match action {
                Action::Claim(partition, epoch) => claims.push((partition, epoch)),
                Action::GiveUp(partition) | Action::Drop(partition) => {
                    self.reading.remove(&partition);
                }
                Action::Free(partition, epoch) => {
                    let freed = self.leases.free(&self.context, partition, epoch);
                    told(freed.await, "cannot free a partition");
                }
                Action::Bury(member, beat) => {
                    tracing::warn!(member, "a member of the group shows no sign of life");
                    told(self.leases.bury(&member, beat).await, "cannot remove it");
                }
            }
        }
        let claimed = claims
            .into_iter()
            .map(|(partition, epoch)| self.claim(partition, epoch));
        for (partition, claimed) in join_all(claimed).await {
            match claimed {
                Ok(Some(claimed)) => {
                    self.begin(partition, claimed);
                    self.refused_since = None;
                }
                Ok(None) => self.membership.left(partition),
                Err(error) => {
                    tracing::warn!(%error, "cannot take a partition over yet");
                    self.membership.left(partition);
                    let since = *self.refused_since.get_or_insert(now);
                    let patience = nanos(self.context.settings.broker_timeout);
                    if now.saturating_sub(since) > patience {
                        self.done.failure.get_or_insert(error);
                    }
                }
            }
        }
    }

    fn claim(
        &self,
        partition: TopicPartition,
        epoch: i64,
    ) -> impl Future<Output = (TopicPartition, Result<Option<Claimed>, Error>)> + Send + use<> {
        let (context, leases) = (Arc::clone(&self.context), self.leases.clone());
        let mut log = self
            .connector
            .partition(context.topic(partition), partition.number);
        async move {
            let claimed = async {
                let earliest = match epoch {
                    0 => log.offsets().await.map_err(Error::Broker)?.0,
                    _ => 0,
                };
                let claim = leases.claim(&context, partition, epoch, earliest);
                claim.await.map_err(Error::Store)
            };
            (partition, claimed.await)
        }
    }

    /// Begins to read a partition that was claimed.
    fn begin(&mut self, partition: TopicPartition, claimed: Claimed) {
        let Claimed { epoch, position } = claimed;
        self.membership.claimed(partition, epoch);
        let (end, ends) = watch::channel(None);
        self.reading.insert(partition, end);
        let context = Arc::clone(&self.context);
        let settings = &context.settings;
        let consuming = Consuming {
            topic_partition: partition,
            partition: self
                .connector
                .partition(context.topic(partition), partition.number),
            position,
            intake: Intake::of_everything(Arc::clone(&context), partition, self.schemas.clone()),
        };
        let targets = Targets {
            documents: self.store.documents(&settings.collection),
            dead_letters: Arc::clone(&self.dead_letters),
            checkpoints: Checkpoints::new(self.leases.checkpoints(), epoch),
        };
        let (input, output) = mpsc::channel(WRITER_INPUT);
        let consumer = Consumer::new(Arc::clone(&context), consuming, None, ends, input);
        let writer = Writer::new(Arc::clone(&context), output, targets, Arc::new([]))
            .recording_to(Arc::clone(&self.recorder));
        let leases = self.leases.clone();
        let mut stint = Stint {
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
                stint.to = position;
                runs = intake.into_runs();
            });
            let result = match (read, written) {
                (_, Err(Error::Store(store::Error::Fenced { .. }))) => {
                    stint.taken = true;
                    Ok(())
                }
                (read, written) => written.and(read),
            };
            let freed = leases.free(&context, partition, epoch);
            told(freed.await, "cannot free a partition");
            Worked {
                stint,
                runs,
                result,
            }
        });
    }

    fn worked(&mut self, worked: Result<Worked, JoinError>) {
        let Ok(worked) = worked else {
            self.done
                .failure
                .get_or_insert(Error::Panicked { role: "consumer" });
            return;
        };
        let partition = worked.stint.partition;
        self.reading.remove(&partition);
        self.membership.left(partition);
        self.done.stints.push(worked.stint);
        self.done.runs.extend(worked.runs);
        if let Err(error) = worked.result {
            tracing::error!(%error, "a consumer failed");
            self.done.failure.get_or_insert(error);
        }
    }

    /// Ends all reading, and waits until what was read is stored.
    async fn stop(&mut self) {
        self.reading.clear();
        let patience = self.context.settings.drain_timeout;
        let stopped = tokio::time::timeout(patience, async {
            while let Some(worked) = self.workers.join_next().await {
                self.worked(worked);
            }
        });
        if stopped.await.is_err() {
            tracing::warn!("what was read was not stored within the drain timeout");
            self.workers.shutdown().await;
        }
        self.tell();
    }

    /// Returns whether the session has done what it was to do.
    fn over(&self, stillness: &mut Stillness) -> bool {
        let (context, now) = (&self.context, self.context.clock.now());
        let counters = &context.counters;
        // A broker that does not answer is not one that has nothing.
        let seen = (counters.fetched.get(), counters.fetches_failed.get());
        if stillness.seen != seen || !self.membership.settled(now) || stillness.since == 0 {
            *stillness = Stillness { seen, since: now };
        }
        let since = |instant: u64, limit: Option<Duration>| {
            limit.is_some_and(|limit| now.saturating_sub(instant) >= nanos(limit))
        };
        since(self.start, self.length.duration)
            || since(stillness.since, self.length.idle)
            || self
                .length
                .records
                .is_some_and(|records| counters.stored.get() >= records)
    }

    /// Tells which partitions are owned, if they are others than before.
    fn tell(&mut self) {
        let owned: BTreeSet<TopicPartition> = self.membership.owned().collect();
        if self.told.as_ref() != Some(&owned) {
            self.observer.owned(&self.context, &owned);
            self.told = Some(owned);
        }
    }
}

/// Shows again and again that this member lives.
async fn beat(leases: Leases, period: Duration) {
    for number in 1.. {
        told(leases.beat(number).await, "cannot show a sign of life");
        tokio::time::sleep(period).await;
    }
}

fn told(result: Result<(), store::Error>, what: &'static str) {
    if let Err(error) = result {
        tracing::warn!(%error, "{what}");
    }
}
