//! Settings of each command: its options with every source and default resolved.
//!
//! Settings need no environment and no flags to be understood. They serialize into the report: keys
//! are the names of the flags in `snake_case`, units last.

mod capacity;
mod choices;
mod consume;
mod consumer;
mod groups;
mod invocation;
mod load;
mod produce;
mod report;
mod serialize;
mod servers;
mod simulate;
mod sweep;
mod tools;

pub use capacity::CapacitySettings;
pub use choices::{Backend, Encoding, ExportForm, Format, Sink};
pub use consume::ConsumeSettings;
pub use consumer::{ConsumerKind, ConsumerSettings};
pub use groups::{PublishSettings, ReportSettings, WriterSettings};
pub use invocation::Invocation;
pub use load::LoadSettings;
pub use produce::ProduceSettings;
pub use report::{ExportSettings, MergeSettings, PageSettings, ShowSettings};
pub use servers::{BrokerChoice, ExternalBroker, ExternalRegistry, ServerOrigins, StoreChoice};
pub use simulate::SimulateSettings;
pub use sweep::{Combination, SweepSettings};
pub use tools::{
    Access, Advertised, CleanSettings, GenerateSettings, InspectSettings, LoadFile, ManualSettings,
    NewTopic, Published, SchemaSettings, UpSettings,
};
