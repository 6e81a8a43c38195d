//! Settings of `convoy capacity`.

use std::time::Duration;

use crate::cli::args::CapacityArgs;
use crate::cli::environment::Environment;
use crate::cli::error::Error;
use crate::cli::origin::Origins;
use crate::cli::resolve::simulate;
use crate::load::{Bound, Frequency, Rate, Vary};
use crate::settings::{CapacitySettings, LoadSettings, Sink};

/// Default limit of the end-to-end p99.
const LIMIT: Duration = Duration::from_millis(100);

/// Default warm-up of a trial.
const WARM_UP: Duration = Duration::from_secs(2);

pub(super) fn settings(
    args: CapacityArgs,
    origins: &Origins,
    environment: &Environment,
) -> Result<CapacitySettings, Error> {
    let search = args.search;
    let warm_up = args.simulate.load.warmup.unwrap_or(WARM_UP);
    let mut simulate = simulate::settings(args.simulate, origins, environment)?;
    let unsuitable = |option, reason| Error::NotForCapacity { option, reason };
    if simulate.sink == Sink::Null {
        return Err(unsuitable("--sink null", "it stores nothing"));
    }
    if simulate.consumer.is_external() {
        let reason = "trials measure convoy's own consumer";
        return Err(unsuitable("--consumer external", reason));
    }
    if simulate.load.total_rate.is_some() {
        return Err(unsuitable(
            "--total-rate",
            "the rate of the fleet would not depend on its vehicles",
        ));
    }
    let Rate::Timed(rate) = simulate.load.rate else {
        return Err(unsuitable("--rate max", "a vehicle needs a rate"));
    };
    if simulate.load.vehicles > search.max_vehicles {
        return Err(unsuitable(
            "--max-vehicles",
            "it is below `--vehicles`, the smallest fleet",
        ));
    }
    let limit = simulate.max_end_to_end_p99.take().unwrap_or(LIMIT);
    // Goals of the search replace the thresholds of a run.
    simulate.min_throughput = None;
    simulate.load.bound = Bound::Duration(limit);
    simulate.load.warmup = warm_up;
    let (from, rate) = match search.vary {
        Vary::Vehicles => (simulate.load.vehicles, rate.per_second()),
        Vary::Rate => (lowest_rate(&simulate.load, rate), 1.0),
    };
    Ok(CapacitySettings {
        simulate,
        vary: search.vary,
        from: from.min(search.max_vehicles),
        rate,
        max_end_to_end_p99: limit,
        max_vehicles: search.max_vehicles,
        precision: search.precision,
        budget: search.budget,
    })
}

/// Returns the rate of the fleet as the user set it, at least 1 per second.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "at least 1; saturates"
)]
fn lowest_rate(load: &LoadSettings, rate: Frequency) -> u32 {
    let fleet = rate.per_second() * f64::from(load.vehicles);
    fleet.round().max(1.0) as u32
}
