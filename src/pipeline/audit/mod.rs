//! The verdict: documents of the store compared with the emitted readings.

mod accounting;
mod broker_logs;
mod scan;

pub use accounting::Accounting;
pub use broker_logs::BrokerLogs;
pub use scan::{Case, EmittedSchedule, count_repetitions, verdict};
