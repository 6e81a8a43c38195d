//! Settings of the load: what a fleet emits, and for how long.

use std::time::Duration;

use crate::cli::args::{DatasetArgs, LoadArgs, RecordsArg};
use crate::load::Bound;
use crate::settings::LoadSettings;

/// Warm-up before a duration is measured, so that connections, caches and batches settle.
const WARMUP: Duration = Duration::from_secs(2);

pub(super) fn load(args: LoadArgs, read: DatasetArgs) -> LoadSettings {
    let bound = match args.records {
        Some(RecordsArg::Number(records)) => Bound::Records(records),
        Some(RecordsArg::All) => Bound::Rows,
        None => Bound::Duration(args.duration),
    };
    let warmup = match bound {
        Bound::Duration(_) => WARMUP,
        Bound::Records(_) | Bound::Rows => Duration::ZERO,
    };
    LoadSettings {
        vehicles: args.vehicles,
        rate: args.rate,
        total_rate: args.total_rate,
        arrival: args.arrival,
        key: args.key,
        dataset: args.dataset,
        read: read.into(),
        seed: args.seed,
        bound,
        warmup: args.warmup.unwrap_or(warmup),
    }
}
