//! Input of the audit from the reports of producer processes.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::audit::{Ledger, Scope, Tally};
use crate::fleet::{self, Shard};
use crate::load::Bound;
use crate::pipeline::{Case, EmittedSchedule};
use crate::record::RunKey;
use crate::report::{MergeError, Produced};

/// Builds the case of a run from the accounts of all its producers, of which there is at least one.
pub(super) fn build_case(run_id: &str, producers: &[&Produced]) -> Result<Case, MergeError> {
    let mut merged = Ledger::default();
    let mut schedules = Vec::new();
    for produced in producers {
        merged.merge(ledger(produced)?);
        schedules.push(schedule(produced)?);
    }
    let first = producers[0];
    Ok(Case {
        run_id: run_id.to_owned(),
        scope: Scope {
            run: RunKey::new(run_id),
            vehicles: first.schedule.vehicles,
            topics: first.topics.clone().into_iter().collect(),
        },
        label_column: first.label_column.clone(),
        ledger: merged,
        schedules,
        after_checkpoints: 0,
        acknowledged: None,
        visited: Arc::default(),
    })
}

fn ledger(produced: &Produced) -> Result<Ledger, MergeError> {
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

fn schedule(produced: &Produced) -> Result<EmittedSchedule, MergeError> {
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
    // Values from a file must not cause a huge allocation or a division by zero.
    if fleet.vehicles == 0 || fleet.rows == 0 || produced.shard >= produced.shards {
        return Err(damaged("schedule", "no vehicle, no row or no such shard"));
    }
    Ok(EmittedSchedule {
        fleet,
        emitted: produced.emitted,
        epoch_unix_ms: produced.epoch_unix_ms,
        start: produced.start_ns,
    })
}

fn read<T: FromStr>(key: &'static str, text: &str) -> Result<T, MergeError> {
    text.parse().map_err(|_| damaged(key, text))
}

fn damaged(key: &'static str, value: &str) -> MergeError {
    MergeError::Damaged {
        key,
        value: value.to_owned(),
    }
}
