//! The case of a run whose producers were other processes: what their reports say, as the audit
//! needs it.

use std::str::FromStr;
use std::time::Duration;

use crate::audit::{Ledger, Scope, Tally};
use crate::fleet::{self, Shard};
use crate::load::Bound;
use crate::pipeline::audit::scan::{Case, Emission};
use crate::record::RunKey;
use crate::report::Produced;
use crate::report::merge::Error;

/// Puts the case of a run together from what all its producers say, of whom there is at least one.
pub fn of(run_id: &str, producers: &[&Produced]) -> Result<Case, Error> {
    let mut ledger = Ledger::default();
    let mut emissions = Vec::new();
    for produced in producers {
        ledger.merge(account(produced)?);
        emissions.push(emission(produced)?);
    }
    let like = producers[0];
    Ok(Case {
        run_id: run_id.to_owned(),
        scope: Scope {
            run: RunKey::new(run_id),
            vehicles: like.schedule.vehicles,
            topics: like.topics.clone().into_iter().collect(),
        },
        label_column: like.label_column.clone(),
        ledger,
        emissions,
        behind_checkpoints: 0,
    })
}

fn account(produced: &Produced) -> Result<Ledger, Error> {
    let sum = &produced.fingerprints;
    Ok(Ledger {
        emitted: produced.emitted,
        messages: Tally {
            count: produced.messages,
            sum: u128::from_str_radix(sum, 16).map_err(|_| damaged("fingerprints", sum))?,
        },
        labels: produced.labels.clone(),
        not_acked: produced.not_acked,
        ..Ledger::default()
    })
}

fn emission(produced: &Produced) -> Result<Emission, Error> {
    let schedule = &produced.schedule;
    let total_rate = schedule.total_rate.as_deref();
    let fleet = fleet::Settings {
        vehicles: schedule.vehicles,
        rate: read("rate", &schedule.rate)?,
        total_rate: total_rate
            .map(|rate| read("total_rate", rate))
            .transpose()?,
        arrival: read("arrival", &schedule.arrival)?,
        seed: schedule.seed,
        warm_up: Duration::from_nanos(schedule.warm_up_ns),
        bound: match (schedule.duration_ns, schedule.records) {
            (Some(duration), _) => Bound::Duration(Duration::from_nanos(duration)),
            (None, Some(records)) => Bound::Records(records),
            (None, None) => Bound::Rows,
        },
        rows: schedule.rows,
        shard: Some(Shard {
            index: produced.shard,
            count: produced.shards,
        }),
    };
    // What is read from a file decides no allocation and no division.
    if fleet.vehicles == 0 || fleet.rows == 0 || produced.shard >= produced.shards {
        return Err(damaged("schedule", "no vehicle, no row or no part"));
    }
    Ok(Emission {
        fleet,
        emitted: produced.emitted,
        epoch_unix_ms: produced.epoch_unix_ms,
        start: produced.start_ns,
    })
}

fn read<T: FromStr>(key: &'static str, text: &str) -> Result<T, Error> {
    text.parse().map_err(|_| damaged(key, text))
}

fn damaged(key: &'static str, value: &str) -> Error {
    Error::Damaged {
        key,
        value: value.to_owned(),
    }
}
