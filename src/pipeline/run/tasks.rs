//! The tasks of a run: started, watched, drained.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::audit::Ledger;
use crate::broker::PartitionReader;
use crate::cause::chain;
use crate::fleet::Readings;
use crate::measure::{Interval, Outage, Recorder, Recording, nanos, thread_cpu_time};
use crate::pipeline::context::Context;
use crate::pipeline::emit::{Acks, PartitionProducer, Queue, Router, StopFlag, emit};
use crate::pipeline::error::Error;
use crate::pipeline::external::Arrivals;
use crate::pipeline::ingest::{
    Checkpoints, End, PartitionConsumer, ProducerAcks, WRITER_INPUT, Writer,
};
use crate::pipeline::interrupt::Interrupt;
use crate::pipeline::retry;
use crate::pipeline::run::prepare::{Consumers, Producers};
use crate::pipeline::run::progress::{
    Destination, Gathered, Observer, Phase, Timeline, Totals, gather,
};
use crate::pipeline::settings::{EmissionSettings, StorageSettings};

/// How long producers may take to end when they are no longer waited for.
const GIVE_UP_DEADLINE: Duration = Duration::from_millis(500);

/// Recorders of all producers. One has a megabyte of histograms, which every interval reads.
const PRODUCER_RECORDERS: usize = 4;

type Produced = (Ledger, Result<(), Error>);

/// The tasks of a run.
#[derive(Debug)]
pub struct Tasks {
    emission: Arc<EmissionSettings>,
    stop: StopFlag,
    queues: Vec<Arc<Queue>>,
    /// Receives the pacing thread's CPU time when the thread has emitted its last reading.
    emitted: oneshot::Receiver<Duration>,
    generator_cpu: Duration,
    producers: JoinSet<Produced>,
    /// `None` if other processes consume.
    consumers: Option<RunningConsumers>,
    recorders: Vec<Arc<Recorder>>,
    gathering: JoinHandle<Gathered>,
    ended: CancellationToken,
    ledger: Ledger,
    /// Whether the ledger has every emitted reading.
    accounted: bool,
    failure: Option<Error>,
    /// Whether the run is no longer waited for: then errors are consequences.
    gave_up: bool,
    timeline: Arc<Timeline>,
    destination: Destination,
}

/// Consumers and writers, and what is needed to end them.
#[derive(Debug)]
struct RunningConsumers {
    tasks: JoinSet<Result<(), Error>>,
    /// Connections to look up the end of each partition.
    partitions: Vec<PartitionReader>,
    end: watch::Sender<Option<Arc<[i64]>>>,
    checkpoints: Checkpoints,
    storage: Arc<StorageSettings>,
}

/// Results of the tasks.
#[derive(Debug)]
pub struct Finished {
    pub ledger: Ledger,
    pub recording: Recording,
    pub intervals: Vec<Interval>,
    /// Outages of the servers.
    pub outages: Vec<Outage>,
    /// Error that ended the run early.
    pub failure: Option<Error>,
    /// Start of the schedule, nanoseconds on the run's clock.
    pub start: u64,
    /// CPU time of the pacing thread.
    pub generator_cpu: Duration,
}

impl Tasks {
    /// Starts all tasks: consumers first, the fleet last.
    ///
    /// `arrivals` tells what an external consumer stores, if the store is embedded.
    pub fn start(
        context: &Arc<Context>,
        emission: &Arc<EmissionSettings>,
        producers: Producers,
        consumers: Option<Consumers>,
        arrivals: Option<&Arrivals>,
        observer: &Arc<dyn Observer>,
    ) -> Self {
        let targets = producers.partitions;
        let queues: Vec<Arc<Queue>> = targets.iter().map(|_| Arc::default()).collect();
        let kept = consumers.is_some();
        let acks: Arc<[Arc<Acks>]> = targets.iter().map(|_| Arc::new(Acks::new(kept))).collect();
        let mut recorders = Vec::new();
        let consumers =
            consumers.map(|consumers| start_consumers(context, consumers, &acks, &mut recorders));
        let mut tasks = JoinSet::new();
        let shared = targets.len().min(PRODUCER_RECORDERS);
        let shared: Vec<Arc<Recorder>> = (0..shared).map(|_| Arc::default()).collect();
        let accounts = queues.iter().zip(acks.iter()).zip(shared.iter().cycle());
        for (target, ((queue, acks), recorder)) in targets.into_iter().zip(accounts) {
            let producer = PartitionProducer::new(
                Arc::clone(context),
                Arc::clone(emission),
                target,
                Arc::clone(queue),
                Arc::clone(acks),
                Arc::clone(&producers.dead_letters),
                Arc::clone(recorder),
            );
            tasks.spawn_on(producer.run(), &producers.runtime);
        }
        recorders.extend(shared);
        let stop = StopFlag::default();
        let start = context.clock.now();
        if let Some(arrivals) = arrivals {
            recorders.push(arrivals.recorder());
            arrivals.begin(start + nanos(emission.fleet.warm_up));
        }
        let (emitted, failure) = match spawn_emitter(context, emission, &queues, &stop, start) {
            Ok(emitted) => (emitted, None),
            Err(error) => (oneshot::channel().1, Some(error)),
        };
        let ended = CancellationToken::new();
        let (destination, batch_wait) = match &consumers {
            Some(consumers) => (Destination::Store, consumers.storage.batch_wait),
            None if arrivals.is_some() => (Destination::Store, Duration::ZERO),
            None => (Destination::Broker, Duration::ZERO),
        };
        let (warm_up, linger) = (emission.fleet.warm_up, emission.linger);
        let timeline = Arc::new(Timeline::new(start, warm_up, linger, batch_wait));
        let gathering = gather(
            Arc::clone(context),
            recorders.clone(),
            destination,
            Arc::clone(&timeline),
            Arc::clone(observer),
            ended.clone(),
        );
        Self {
            emission: Arc::clone(emission),
            stop,
            queues,
            emitted,
            generator_cpu: Duration::ZERO,
            producers: tasks,
            consumers,
            recorders,
            gathering: tokio::spawn(gathering),
            ended,
            ledger: Ledger::default(),
            accounted: true,
            failure,
            gave_up: false,
            timeline,
            destination,
        }
    }

    /// Waits until the fleet has emitted its last reading.
    pub async fn emit(
        &mut self,
        context: &Context,
        interrupt: &Interrupt,
        observer: &Arc<dyn Observer>,
    ) {
        let warm_up_end = self.timeline.start + nanos(self.emission.fleet.warm_up);
        observer.phase(Phase::WarmingUp);
        let mut warming_up = true;
        let mut interrupted = false;
        loop {
            tokio::select! {
                done = &mut self.emitted => {
                    match done {
                        Ok(used) => self.generator_cpu = used,
                        Err(_panicked) if self.failure.is_some() => {}
                        Err(_panicked) => {
                            self.record(Err(Error::Panicked { role: "generator" }));
                        }
                    }
                    self.timeline.end_emission(context.clock.now());
                    let complete = !interrupted && self.failure.is_none();
                    observer.totals(&Totals::new(context, self.destination), complete);
                    return;
                }
                () = interrupt.requested.cancelled(), if !interrupted => {
                    interrupted = true;
                    self.stop.stop();
                }
                () = interrupt.drain_over.cancelled() => {
                    self.timeline.end_emission(context.clock.now());
                    return;
                }
                () = tokio::time::sleep(context.clock.until(warm_up_end)), if warming_up => {
                    warming_up = false;
                    observer.totals(&Totals::new(context, self.destination), true);
                    observer.phase(Phase::Running);
                }
                Some(produced) = self.producers.join_next() => self.record_producer(produced),
                Some(consumed) = next_consumer(&mut self.consumers) => {
                    self.record_consumer(consumed);
                }
            }
        }
    }

    /// Waits until every producer has sent all readings, or the user no longer waits for it.
    pub async fn flush(&mut self, context: &Context, interrupt: &Interrupt) {
        for queue in &self.queues {
            queue.close();
        }
        let flushed = interrupt
            .drain_over
            .run_until_cancelled(self.join_producers());
        if flushed.await.is_some() {
            return;
        }
        tracing::warn!("gave up the readings that the broker has not acknowledged");
        self.gave_up = true;
        context.terminated_servers.give_up();
        let joined = tokio::time::timeout(GIVE_UP_DEADLINE, self.join_producers()).await;
        if joined.is_err() {
            self.accounted = false;
            self.producers.shutdown().await;
        }
    }

    async fn join_producers(&mut self) {
        while let Some(produced) = self.producers.join_next().await {
            self.record_producer(produced);
        }
    }

    /// Returns the number of readings that the broker has acknowledged, once all are sent.
    pub fn acked_readings(&self) -> u64 {
        self.ledger.emitted.saturating_sub(self.ledger.not_acked)
    }

    /// Returns whether it is known what every producer has sent.
    pub fn is_accounted(&self) -> bool {
        self.accounted
    }

    /// Waits until all readings are stored, the drain timeout is over, or the user no longer waits.
    ///
    /// Returns the number of records in the broker after the last checkpoints.
    pub async fn drain(&mut self, context: &Context, interrupt: &Interrupt) -> u64 {
        self.flush(context, interrupt).await;
        let looking_up = Box::pin(self.look_up_ends(context));
        let looking_up = interrupt.drain_over.run_until_cancelled(looking_up);
        let ends = looking_up.await.flatten();
        let Some(consumers) = &self.consumers else {
            return 0;
        };
        let timeout = consumers.storage.drain_timeout;
        if let Some(ends) = &ends {
            consumers.end.send_replace(Some(Arc::clone(ends)));
            let joining = async {
                while let Some(consumed) = next_consumer(&mut self.consumers).await {
                    self.record_consumer(consumed);
                }
            };
            let drained = interrupt.drain_over.run_until_cancelled(joining);
            match tokio::time::timeout(timeout, drained).await {
                Ok(Some(())) => {}
                Ok(None) => tracing::warn!("gave up the records that are not stored"),
                Err(_over) => {
                    tracing::warn!("the consumers did not catch up within the drain timeout");
                }
            }
        }
        let Some(mut consumers) = self.consumers.take() else {
            return 0;
        };
        consumers.tasks.shutdown().await;
        let after = records_after_checkpoints(context, &consumers.checkpoints, ends.as_deref());
        let after = interrupt.audit_over.run_until_cancelled(after).await;
        after.unwrap_or_default()
    }

    /// Collects the results of all tasks.
    pub async fn finish(self) -> Finished {
        self.ended.cancel();
        let gathered = self.gathering.await;
        let panicked = gathered
            .is_err()
            .then_some(Error::Panicked { role: "collector" });
        let gathered = gathered.unwrap_or_default();
        let mut recording = Recording::default();
        for recorder in &self.recorders {
            recording.merge(&recorder.lock());
        }
        recording.stages = gathered.stages;
        recording.in_flight = gathered.in_flight;
        Finished {
            ledger: self.ledger,
            recording,
            intervals: gathered.intervals,
            outages: gathered.outages,
            failure: self.failure.or(panicked),
            start: self.timeline.start,
            generator_cpu: self.generator_cpu,
        }
    }

    /// Looks up the end of each partition.
    async fn look_up_ends(&mut self, context: &Context) -> Option<Arc<[i64]>> {
        let mut ends = Vec::new();
        let timeout = context.settings.timeouts.broker;
        for partition in &mut self.consumers.as_mut()?.partitions {
            match retry::offsets(context, partition, timeout).await {
                Ok((_earliest, end)) => ends.push(end),
                Err(error) => {
                    self.failure.get_or_insert(Error::Broker(error));
                    return None;
                }
            }
        }
        Some(ends.into())
    }

    fn record_producer(&mut self, produced: Result<Produced, JoinError>) {
        match produced {
            Ok((ledger, result)) => {
                self.ledger.merge(ledger);
                self.record(result);
            }
            Err(_panicked) => self.record(Err(Error::Panicked { role: "producer" })),
        }
    }

    fn record_consumer(&mut self, consumed: Result<Result<(), Error>, JoinError>) {
        self.record(consumed.unwrap_or(Err(Error::Panicked { role: "consumer" })));
    }

    /// Keeps the first error and stops the emission.
    fn record(&mut self, result: Result<(), Error>) {
        if let Err(error) = result {
            self.stop.stop();
            if self.gave_up {
                tracing::info!(error = chain(&error), "a task of the pipeline ended");
                return;
            }
            tracing::error!(error = chain(&error), "a task of the pipeline failed");
            self.failure.get_or_insert(error);
        }
    }
}

/// Returns the result of the next consumer or writer that ends; `None` if there is none.
async fn next_consumer(
    consumers: &mut Option<RunningConsumers>,
) -> Option<Result<Result<(), Error>, JoinError>> {
    consumers.as_mut()?.tasks.join_next().await
}

/// Returns the number of records between the checkpoints and the ends of all partitions.
async fn records_after_checkpoints(
    context: &Context,
    checkpoints: &Checkpoints,
    ends: Option<&[i64]>,
) -> u64 {
    let mut records = 0;
    for (partition, end) in context.partitions().zip(ends.unwrap_or_default()) {
        match checkpoints.read(context, partition).await {
            Ok(Some(position)) => {
                records += end.saturating_sub(position).max(0).unsigned_abs();
            }
            Ok(None) => {}
            // A store that does not respond is not asked once per partition.
            Err(error) => {
                tracing::warn!(error = chain(&error), "failed to read a checkpoint");
                break;
            }
        }
    }
    records
}

/// Starts the writers, and the consumers that feed them.
fn start_consumers(
    context: &Arc<Context>,
    consumers: Consumers,
    acks: &Arc<[Arc<Acks>]>,
    recorders: &mut Vec<Arc<Recorder>>,
) -> RunningConsumers {
    let (end, ends): (_, End) = watch::channel(None);
    let (storage, runtime) = (consumers.storage, consumers.runtime);
    let mut tasks = JoinSet::new();
    let mut inputs = Vec::new();
    for _ in 0..storage.connections {
        let (input, output) = mpsc::channel(WRITER_INPUT);
        let writer = Writer::new(
            Arc::clone(context),
            Arc::clone(&storage),
            output,
            consumers.targets.clone(),
            Arc::clone(acks),
        );
        recorders.push(writer.recorder());
        tasks.spawn_on(writer.run(), &runtime);
        inputs.push(input);
    }
    for (source, input) in consumers.partitions.into_iter().zip(inputs.iter().cycle()) {
        let producer = ProducerAcks {
            acks: Arc::clone(&acks[context.index_of(source.topic_partition)]),
            log_may_be_lost: consumers.log_may_be_lost,
        };
        let consumer = PartitionConsumer::new(
            Arc::clone(context),
            source,
            Some(producer),
            ends.clone(),
            input.clone(),
        );
        tasks.spawn_on(async { consumer.run().await.map(drop) }, &runtime);
    }
    RunningConsumers {
        tasks,
        partitions: consumers.ends,
        end,
        checkpoints: consumers.targets.checkpoints,
        storage,
    }
}

/// Starts the pacing thread. The receiver gets its CPU time when it has emitted its last reading.
fn spawn_emitter(
    context: &Arc<Context>,
    emission: &Arc<EmissionSettings>,
    queues: &[Arc<Queue>],
    stop: &StopFlag,
    start: u64,
) -> Result<oneshot::Receiver<Duration>, Error> {
    let (done, emitted) = oneshot::channel();
    let (context, emission, stop) = (Arc::clone(context), Arc::clone(emission), stop.clone());
    let queues = queues.to_vec();
    let pace = move || {
        let fleet = &emission.fleet;
        let readings = Readings::new(fleet);
        let clock = context.clock;
        let mut router = Router::new(context, Arc::clone(&emission), queues, stop.clone());
        emit(readings, &mut router, clock, start, fleet, &stop);
        // The receiver is gone if the run has failed.
        done.send(thread_cpu_time()).unwrap_or_default();
    };
    std::thread::Builder::new()
        .name("generator".to_owned())
        .spawn(pace)
        .map_err(|source| Error::Thread {
            role: "generator",
            source,
        })?;
    Ok(emitted)
}
