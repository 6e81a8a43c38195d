//! The tasks of a run while it goes on: started, watched, drained.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::audit::Ledger;
use crate::broker::Partition;
use crate::fleet::Readings;
use crate::measure::{Interval, Recorder, Recording, nanos, thread_cpu_time};
use crate::pipeline::context::Context;
use crate::pipeline::emit::acks::Acks;
use crate::pipeline::emit::emitter::{Throttle, emit};
use crate::pipeline::emit::partition_producer::Producer;
use crate::pipeline::emit::queue::Queue;
use crate::pipeline::emit::router::Router;
use crate::pipeline::error::Error;
use crate::pipeline::ingest::checkpoint::Checkpoints;
use crate::pipeline::ingest::partition_consumer::{Consumer, Consuming};
use crate::pipeline::ingest::writer::{Targets, Writer};
use crate::pipeline::retry;
use crate::pipeline::run::simulation::Roles;
use crate::pipeline::run::prepare::Prepared;
use crate::pipeline::run::progress::{Gathered, Observer, Phase, gather};

/// Fetches that wait for one writer.
const WRITER_INPUT: usize = 4;

type Produced = (Ledger, Result<(), Error>);

/// A run whose tasks are under way.
#[derive(Debug)]
pub struct Running {
    watching: Vec<Partition>,
    throttle: Throttle,
    queues: Vec<Arc<Queue>>,
    /// Hears the pacing thread's CPU time when it has emitted its last reading.
    emitted: oneshot::Receiver<Duration>,
    generator_cpu: Duration,
    producers: JoinSet<Produced>,
    consumers: JoinSet<Result<(), Error>>,
    end: watch::Sender<Option<Arc<[i64]>>>,
    recorders: Vec<Arc<Recorder>>,
    gathering: JoinHandle<Gathered>,
    ended: CancellationToken,
    ledger: Ledger,
    failure: Option<Error>,
    start: u64,
}

/// What the tasks of a run leave behind.
#[derive(Debug)]
pub struct Finished {
    /// What was emitted.
    pub ledger: Ledger,
    /// What was measured.
    pub recording: Recording,
    /// Second by second.
    pub intervals: Vec<Interval>,
    /// What ended the run before its time.
    pub failure: Option<Error>,
    /// When the schedule began, nanoseconds on the run's clock.
    pub start: u64,
    /// CPU time of the pacing thread.
    pub generator_cpu: Duration,
}

impl Running {
    /// Starts every task: consumers first, the fleet last.
    pub fn start(
        context: &Arc<Context>,
        prepared: Prepared,
        roles: &Roles,
        observer: &Arc<dyn Observer>,
    ) -> Self {
        let Prepared {
            producing,
            dead_letters,
            consuming,
        } = prepared;
        let queues: Vec<Arc<Queue>> = producing.iter().map(|_| Arc::default()).collect();
        let heard = consuming.is_some();
        let acks: Arc<[Arc<Acks>]> = producing
            .iter()
            .map(|_| Arc::new(Acks::new(heard)))
            .collect();
        let (end, ends) = watch::channel(None);
        let mut recorders = Vec::new();

        let mut watching = Vec::new();
        let mut consumers = JoinSet::new();
        if let Some(consuming) = consuming {
            watching = consuming.watching;
            let links = Links {
                targets: consuming.targets,
                acks: Arc::clone(&acks),
                ends,
            };
            let partitions = consuming.partitions;
            consumers = start_consumers(context, partitions, &links, roles, &mut recorders);
        }
        let mut producers = JoinSet::new();
        for ((producing, queue), acks) in producing.into_iter().zip(&queues).zip(acks.iter()) {
            let (queue, acks) = (Arc::clone(queue), Arc::clone(acks));
            let dead_letters = Arc::clone(&dead_letters);
            let producer = Producer::new(Arc::clone(context), producing, queue, acks, dead_letters);
            recorders.push(producer.recorder());
            producers.spawn_on(producer.run(), &roles.producer);
        }
        let throttle = Throttle::default();
        let start = context.clock.now();
        let emitted = spawn_emitter(context, &queues, &throttle, start);
        let ended = CancellationToken::new();
        let gathering = gather(
            Arc::clone(context),
            recorders.clone(),
            start,
            Arc::clone(observer),
            ended.clone(),
        );
        Self {
            watching,
            throttle,
            queues,
            emitted,
            generator_cpu: Duration::ZERO,
            producers,
            consumers,
            end,
            recorders,
            gathering: tokio::spawn(gathering),
            ended,
            ledger: Ledger::default(),
            failure: None,
            start,
        }
    }

    /// Waits until the fleet has emitted its last reading; returns whether it was interrupted.
    pub async fn emit(
        &mut self,
        context: &Context,
        interrupt: &CancellationToken,
        observer: &Arc<dyn Observer>,
    ) -> bool {
        let warm_up_end = self.start + nanos(context.settings.fleet.warm_up);
        observer.phase(Phase::WarmingUp);
        let mut warming_up = true;
        let mut interrupted = false;
        loop {
            tokio::select! {
                done = &mut self.emitted => {
                    match done {
                        Ok(used) => self.generator_cpu = used,
                        Err(_panicked) => {
                            self.settle(Err(Error::Panicked { role: "generator" }));
                        }
                    }
                    return interrupted;
                }
                () = interrupt.cancelled(), if !interrupted => {
                    interrupted = true;
                    self.throttle.stop();
                }
                () = tokio::time::sleep(context.clock.until(warm_up_end)), if warming_up => {
                    warming_up = false;
                    observer.phase(Phase::Running);
                }
                Some(produced) = self.producers.join_next() => self.produced(produced),
                Some(consumed) = self.consumers.join_next() => self.consumed(consumed),
            }
        }
    }

    /// Waits until every producer has sent what was emitted.
    pub async fn flush(&mut self) {
        for queue in &self.queues {
            queue.close();
        }
        while let Some(produced) = self.producers.join_next().await {
            self.produced(produced);
        }
    }

    /// Waits until what was emitted is stored, or the time for that is over.
    ///
    /// Returns the number of records left in the broker behind the last checkpoints.
    pub async fn drain(&mut self, context: &Context, checkpoints: &Checkpoints) -> u64 {
        self.flush().await;
        let ends = self.ends(context).await;
        if let Some(ends) = &ends {
            self.end.send_replace(Some(Arc::clone(ends)));
            let drained = tokio::time::timeout(context.settings.drain_timeout, async {
                while let Some(consumed) = self.consumers.join_next().await {
                    self.consumed(consumed);
                }
            });
            if drained.await.is_err() {
                tracing::warn!("the consumers did not catch up within the drain timeout");
            }
        }
        self.consumers.shutdown().await;
        let mut behind = 0;
        for (partition, end) in context
            .partitions()
            .zip(ends.iter().flat_map(|ends| ends.iter()))
        {
            match checkpoints.read(context, partition).await {
                Ok(Some(position)) => {
                    behind += end.saturating_sub(position).max(0).unsigned_abs();
                }
                Ok(None) => {}
                // A store that does not answer is not asked once per partition.
                Err(error) => {
                    tracing::warn!(%error, "cannot tell how far the consumers came");
                    break;
                }
            }
        }
        behind
    }

    /// Gathers what the tasks leave behind.
    pub async fn finish(self) -> Finished {
        self.ended.cancel();
        let gathered = self.gathering.await;
        let lost = gathered
            .is_err()
            .then_some(Error::Panicked { role: "collector" });
        let gathered = gathered.unwrap_or_default();
        let mut recording = Recording::default();
        for recorder in &self.recorders {
            recording.merge(&recorder.lock());
        }
        recording.stages = gathered.stages;
        let Self {
            ledger,
            failure,
            start,
            generator_cpu,
            ..
        } = self;
        Finished {
            ledger,
            recording,
            intervals: gathered.intervals,
            failure: failure.or(lost),
            start,
            generator_cpu,
        }
    }

    /// Asks each partition for its end.
    async fn ends(&mut self, context: &Context) -> Option<Arc<[i64]>> {
        let mut ends = Vec::new();
        let patience = context.settings.broker_timeout;
        for partition in &mut self.watching {
            match retry::offsets(context, partition, patience).await {
                Ok((_earliest, end)) => ends.push(end),
                Err(error) => {
                    self.failure.get_or_insert(Error::Broker(error));
                    return None;
                }
            }
        }
        Some(ends.into())
    }

    fn produced(&mut self, produced: Result<Produced, JoinError>) {
        match produced {
            Ok((ledger, result)) => {
                self.ledger.merge(ledger);
                self.settle(result);
            }
            Err(_panicked) => self.settle(Err(Error::Panicked { role: "producer" })),
        }
    }

    fn consumed(&mut self, consumed: Result<Result<(), Error>, JoinError>) {
        let result = consumed.unwrap_or(Err(Error::Panicked { role: "consumer" }));
        self.settle(result);
    }

    /// Keeps the first failure and lets nothing more be emitted after it.
    fn settle(&mut self, result: Result<(), Error>) {
        if let Err(error) = result {
            tracing::error!(%error, "a task of the pipeline failed");
            self.throttle.stop();
            self.failure.get_or_insert(error);
        }
    }
}

/// What consumers and writers share with the rest of the run.
struct Links {
    targets: Targets,
    acks: Arc<[Arc<Acks>]>,
    /// Tells the consumers where each partition ends, once that is known.
    ends: watch::Receiver<Option<Arc<[i64]>>>,
}

/// Starts the writers, and the consumers that feed them.
fn start_consumers(
    context: &Arc<Context>,
    consuming: Vec<Consuming>,
    links: &Links,
    roles: &Roles,
    recorders: &mut Vec<Arc<Recorder>>,
) -> JoinSet<Result<(), Error>> {
    let mut tasks = JoinSet::new();
    let mut inputs = Vec::new();
    for _ in 0..context.settings.consumers {
        let (input, output) = mpsc::channel(WRITER_INPUT);
        let writer = Writer::new(
            Arc::clone(context),
            output,
            links.targets.clone(),
            Arc::clone(&links.acks),
        );
        recorders.push(writer.recorder());
        tasks.spawn_on(writer.run(), &roles.consumer);
        inputs.push(input);
    }
    for (consuming, input) in consuming.into_iter().zip(inputs.iter().cycle()) {
        let (ends, input) = (links.ends.clone(), input.clone());
        let acks = Arc::clone(&links.acks[context.index_of(consuming.topic_partition)]);
        let consumer = Consumer::new(Arc::clone(context), consuming, Some(acks), ends, input);
        tasks.spawn_on(async { consumer.run().await.map(drop) }, &roles.consumer);
    }
    tasks
}

/// Starts the pacing thread; the receiver hears when it has emitted its last reading.
fn spawn_emitter(
    context: &Arc<Context>,
    queues: &[Arc<Queue>],
    throttle: &Throttle,
    start: u64,
) -> oneshot::Receiver<Duration> {
    let (done, emitted) = oneshot::channel();
    let (context, throttle) = (Arc::clone(context), throttle.clone());
    let queues = queues.to_vec();
    let pace = move || {
        let fleet = &context.settings.fleet;
        let readings = Readings::new(fleet);
        let mut router = Router::new(Arc::clone(&context), queues, throttle.clone());
        emit(
            readings,
            &mut router,
            context.clock,
            start,
            fleet,
            &throttle,
        );
        // Nobody listens any more once the run has failed.
        done.send(thread_cpu_time()).unwrap_or_default();
    };
    let spawned = std::thread::Builder::new()
        .name("generator".to_owned())
        .spawn(pace);
    if let Err(error) = spawned {
        tracing::error!(%error, "failed to start the pacing thread");
    }
    emitted
}
