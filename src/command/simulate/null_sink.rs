//! Emits a fleet into a sink that only counts, to measure the load generator alone.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::fleet::{self, Readings};
use crate::host::roles::{Role, Runtimes};
use crate::measure::{Recording, RunClock, Stage, thread_cpu_time};
use crate::pipeline::{NullSink, StopFlag, emit};

/// Result of emitting into the null sink.
#[derive(Debug)]
pub struct Paced {
    /// Publish delay of every measured reading. `stored` counts measured readings.
    pub recording: Recording,
    /// Emitted readings, warm-up included.
    pub emitted: u64,
    /// CPU time of the pacing thread.
    pub generator_cpu: Duration,
}

/// Emits a fleet on a thread of its own.
pub fn pace(
    clock: RunClock,
    fleet: &fleet::Settings,
    runtimes: &Runtimes,
    interrupted: &CancellationToken,
) -> Result<Paced, Error> {
    let stop = StopFlag::default();
    let (stopped, token) = (stop.clone(), interrupted.clone());
    runtimes.handle(Role::Consumer).spawn(async move {
        token.cancelled().await;
        stopped.stop();
    });
    let readings = Readings::new(fleet);
    let mut sink = NullSink::new(clock);
    let start = clock.now();
    let paced = std::thread::scope(|scope| {
        let pacing = std::thread::Builder::new()
            .name(Role::Generator.thread_name().to_owned())
            .spawn_scoped(scope, || {
                let emitted = emit(readings, &mut sink, clock, start, fleet, &stop);
                (emitted, thread_cpu_time())
            });
        let joined = pacing.map(std::thread::ScopedJoinHandle::join);
        joined.map_err(Error::Runtime)
    })?;
    let (emitted, generator_cpu) =
        paced.map_err(|_panicked| Error::Bug("the pacing thread panicked"))?;
    let mut recording = Recording {
        stored: sink.publish_delay.count(),
        first_intended: sink.first_intended,
        last_stored: sink.last_sent,
        ..Recording::default()
    };
    *recording.stages.get_mut(Stage::PublishDelay) = sink.publish_delay;
    Ok(Paced {
        recording,
        emitted,
        generator_cpu,
    })
}
