//! Paces a fleet into a sink that only counts: what the pacer alone can do.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::fleet::Readings;
use crate::host::roles::{Role, Runtimes};
use crate::measure::{Recording, Stage, thread_cpu_time};
use crate::pipeline::Context;
use crate::pipeline::emit::emitter::{Throttle, emit};
use crate::pipeline::emit::router::NullSink;

/// What pacing alone gave.
#[derive(Debug)]
pub struct Paced {
    /// Publish delay of every measured reading; stored counts the readings handed over.
    pub recording: Recording,
    /// Readings handed over, warm-up included.
    pub emitted: u64,
    /// CPU time of the pacing thread.
    pub generator_cpu: Duration,
}

/// Paces the run's fleet on a thread of its own.
pub fn pace(context: &Arc<Context>, runtimes: &Runtimes, interrupted: &CancellationToken) -> Paced {
    let throttle = Throttle::default();
    let (stopped, token) = (throttle.clone(), interrupted.clone());
    runtimes.handle(Role::Consumer).spawn(async move {
        token.cancelled().await;
        stopped.stop();
    });
    let context = Arc::clone(context);
    let fleet = context.settings.fleet;
    let readings = Readings::new(&fleet);
    let mut sink = NullSink::new(context.clock);
    let start = context.clock.now();
    let (emitted, generator_cpu) = std::thread::scope(|scope| {
        let pacing = std::thread::Builder::new()
            .name(Role::Generator.thread_name().to_owned())
            .spawn_scoped(scope, || {
                let emitted = emit(readings, &mut sink, context.clock, start, &fleet, &throttle);
                (emitted, thread_cpu_time())
            });
        pacing
            .ok()
            .and_then(|thread| thread.join().ok())
            .unwrap_or_default()
    });
    let mut recording = Recording {
        stored: sink.publish_delay.count(),
        first_intended: sink.first_intended,
        last_stored: sink.last_sent,
        ..Recording::default()
    };
    *recording.stages.get_mut(Stage::PublishDelay) = sink.publish_delay;
    Paced {
        recording,
        emitted,
        generator_cpu,
    }
}
