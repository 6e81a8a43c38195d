//! The run's clock, the five stamps and stages, histograms, counters and recorders.
//!
//! Pure and synchronous, except for reading the clock.

mod bounds;
mod counters;
mod histogram;
mod in_flight;
mod injected;
mod interval;
mod last_readings;
mod outage;
mod partition;
mod recorder;
mod slowest;
mod stage;
mod trend;

pub use bounds::{Bounds, PercentileBounds};
pub use convoy_server_kit::{RunClock, nanos, thread_cpu_time};
pub use counters::{Counter, Counters, Counts};
pub use histogram::{Histogram, IntervalLatency, StageSummary};
pub use in_flight::{InFlight, Samples};
pub use injected::{InjectedFault, InjectedFaults};
pub use interval::{Interval, IntervalPhase};
pub use last_readings::LastReadings;
pub use outage::{Flow, Outage, OutageDetector, Server};
pub use partition::{Latencies, PartitionFlow, PartitionLoad};
pub use recorder::{Counted, IntervalSums, Recorder, Recording};
pub use slowest::{MOST_SLOWEST, SlowRecord, Slowest};
pub use stage::{Stage, Stages};
pub use trend::Trend;
