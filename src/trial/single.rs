//! One run among several on the same servers.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::host::roles::Role;
use crate::measure::{Histogram, RunClock, Stages};
use crate::pipeline::{self, Interrupt, Observer, SimulationSettings};
use crate::report::Report;
use crate::run_id::new_run_id;
use crate::settings::SimulateSettings;
use crate::summary::Baseline;
use crate::trial::cleanup::{self, Data};
use crate::trial::run::{PipelineRun, Rows, resolve};
use crate::trial::testbed::{Tell, Testbed};
use crate::trial::watch::{BacklogSample, StopRule, Watch};

/// Settings of one trial, and what follows it while it runs.
#[derive(Debug)]
pub struct Trial<'a> {
    /// Settings. Those of servers have no effect: the servers are those of the testbed.
    pub settings: &'a SimulateSettings,
    /// Rows to emit.
    pub rows: &'a Rows,
    /// Receives the progress.
    pub observer: Arc<dyn Observer>,
    /// Ends the emission early.
    pub stop_when: Option<StopRule>,
    /// Ends the trial when the user asks for it.
    pub interrupt: &'a Interrupt,
    /// Receives warnings about the disk, and about data that could not be removed.
    pub warn: Tell<'a>,
}

/// Result of a trial.
#[derive(Debug)]
pub struct TrialOutcome {
    /// The report, as `simulate` writes it. A trial that its rule stopped is `interrupted`.
    pub report: Report,
    /// Latencies of the measured records.
    pub latencies: Stages<Histogram>,
    /// Backlog, four times a second.
    pub backlog: Vec<BacklogSample>,
    /// Whether its rule ended the emission early.
    pub stopped: bool,
    /// Error that ended the trial early.
    pub failure: Option<pipeline::Error>,
}

impl Testbed {
    /// Makes one trial with topics and a collection of its own, and removes them.
    ///
    /// Fails only if the pipeline could not be prepared; what happens later is in the outcome.
    pub fn trial(&mut self, trial: Trial<'_>) -> Result<TrialOutcome, Error> {
        let clock = RunClock::start();
        let run_id = new_run_id(clock);
        let (context, mut simulation) = {
            let topics = trial.rows.topics.iter();
            let own = Rows {
                workload: Arc::clone(&trial.rows.workload),
                topics: topics.map(|topic| format!("{topic}-{run_id}")).collect(),
            };
            resolve(trial.settings, &own, run_id.clone(), clock)
        };
        let collection = format!("{}-{run_id}", simulation.storage.collection);
        store_in(&mut simulation, &collection);
        let data = Data {
            topics: context.settings.topics.clone(),
            storage: Arc::clone(&simulation.storage),
        };
        let interrupt = Interrupt {
            requested: trial.interrupt.requested.child_token(),
            ..trial.interrupt.clone()
        };
        let stop = interrupt.requested.clone();
        let watch = Arc::new(Watch::new(trial.observer, trial.stop_when, stop));
        let over = CancellationToken::new();
        let (sampler, sampled, sampling) = (Arc::clone(&watch), Arc::clone(&context), over.clone());
        let consumer = self.runtimes.handle(Role::Consumer);
        consumer.spawn(async move { sampler.sample(&sampled, sampling).await });
        let measured = self.measure(PipelineRun {
            settings: trial.settings,
            context: &context,
            simulation,
            baseline: &Baseline::read(clock),
            observer: Arc::<Watch>::clone(&watch),
            interrupt: &interrupt,
            warn: trial.warn,
        });
        over.cancel();
        let removing = cleanup::remove(&self.servers.endpoints, &context, &data);
        let removing = trial.interrupt.stop_over.run_until_cancelled(removing);
        if let Some(Err(problem)) = self.runtimes.block_on(Box::pin(removing)) {
            (trial.warn.0)(&format!("warning: {problem}"));
        }
        let measured = measured?;
        let (backlog, stopped) = watch.finish();
        let mut report = measured.report;
        report.topology.collection = collection;
        Ok(TrialOutcome {
            report,
            latencies: measured.latencies,
            backlog,
            stopped,
            failure: measured.failure,
        })
    }
}

fn store_in(simulation: &mut SimulationSettings, collection: &str) {
    let mut storage = (*simulation.storage).clone();
    collection.clone_into(&mut storage.collection);
    simulation.storage = Arc::new(storage);
}
