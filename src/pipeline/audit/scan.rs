//! The audit of a run: scans the store and returns the verdict.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bson::{Document, doc};

use crate::audit::{Expected, FirstPass, Ledger, Scope, SecondPass, VehicleOrder, Verdict};
use crate::fleet::{self, Reading, Readings};
use crate::load::Rate;
use crate::measure::Counter;
use crate::pipeline::audit::accounting::{Accounting, Reason, scheduled};
use crate::pipeline::audit::broker_logs::BrokerLogs;
use crate::pipeline::context::Context;
use crate::pipeline::dead_letter::{Identity, identity};
use crate::pipeline::error::Error;
use crate::pipeline::settings::EmissionSettings;
use crate::record::{DocumentId, DocumentReader};
use crate::store::Documents;

/// Deadline of one look-up of documents: a server without an index on binary ids reads them all.
const LOOK_UP_DEADLINE: Duration = Duration::from_secs(120);

/// A run to audit: its documents are compared with the accounts of its producers.
#[derive(Debug)]
pub struct Case {
    /// Id of the run.
    pub run_id: String,
    /// Vehicles and partitions of the run.
    pub scope: Scope,
    /// Name of the label column.
    pub label_column: Option<String>,
    /// Account of all producers together.
    pub ledger: Ledger,
    /// Schedule of each producer, replayed if the sums differ.
    pub schedules: Vec<EmittedSchedule>,
    /// Records in the broker after the last checkpoints.
    pub after_checkpoints: u64,
    /// Documents that the store acknowledged; `None` if it was another process that stored them.
    pub acknowledged: Option<u64>,
    /// Documents read so far by the first pass.
    pub visited: Arc<Counter>,
}

/// The schedule of one producer, as far as it was emitted.
#[derive(Debug, Clone, Copy)]
pub struct EmittedSchedule {
    /// The fleet, or one shard of it.
    pub fleet: fleet::Settings,
    /// Number of emitted readings.
    pub emitted: u64,
    /// The producer's epoch by the wall clock, milliseconds since 1970.
    pub epoch_unix_ms: u64,
    /// Start of the schedule, nanoseconds after the epoch.
    pub start: u64,
}

impl Case {
    /// Creates the case of a run whose only producer is this process.
    pub fn new(context: &Context, emission: &EmissionSettings, ledger: Ledger, start: u64) -> Self {
        let schedule = EmittedSchedule {
            fleet: emission.fleet,
            emitted: scheduled(context, &ledger),
            epoch_unix_ms: context.clock.epoch_unix_ms(),
            start,
        };
        let topics = context.settings.topics.iter().enumerate();
        Self {
            run_id: context.settings.run_id.clone(),
            scope: Scope {
                run: context.run,
                vehicles: emission.fleet.vehicles,
                topics: topics
                    .map(|(topic, name)| (name.clone(), context.partitions_of(topic)))
                    .collect(),
            },
            label_column: emission.workload.label_column().map(str::to_owned),
            ledger,
            schedules: vec![schedule],
            after_checkpoints: 0,
            acknowledged: Some(context.counters.stored.get()),
            visited: Arc::default(),
        }
    }

    /// Iterates over the scheduled readings of all producers.
    pub fn readings(&self) -> impl Iterator<Item = Reading> {
        self.schedules.iter().flat_map(EmittedSchedule::replay)
    }

    /// Sets the number of records in the broker after the last checkpoints.
    #[must_use]
    pub fn with_records_after_checkpoints(mut self, records: u64) -> Self {
        self.after_checkpoints = records;
        self
    }
}

impl EmittedSchedule {
    /// Iterates over the emitted readings.
    fn replay(&self) -> impl Iterator<Item = Reading> {
        Readings::new(&self.fleet).take(count(self.emitted))
    }

    /// Returns the intended time of a reading by the wall clock; `None` at an unlimited rate.
    fn date(&self, reading: &Reading) -> Option<i64> {
        let scheduled = self.fleet.total_rate.unwrap_or(self.fleet.rate) != Rate::Max;
        let since_epoch_ms = (self.start + reading.intended) / 1_000_000;
        scheduled.then(|| (self.epoch_unix_ms + since_epoch_ms).cast_signed())
    }
}

/// Scans every document of the run and returns what happened to every reading.
///
/// `hashes` returns the hash of each row's payload, or `None` without the rows. It is called only if
/// the sums differ. `logs` are read only if acknowledged readings seem to be missing.
pub async fn verdict(
    case: &Case,
    documents: &Documents,
    dead_letters: &Documents,
    hashes: impl FnOnce() -> Result<Option<Vec<u64>>, Error>,
    logs: Option<BrokerLogs>,
    mut accounting: Option<Accounting<'_>>,
) -> Result<Verdict, Error> {
    let mut first_pass = FirstPass::new(case.scope.clone());
    let mut reader = DocumentReader::with_label(case.label_column.clone());
    documents
        .scan_in_stored_order(run_filter(case), |document| {
            case.visited.add(1);
            match reader.read(document.as_bytes()) {
                Ok(stored) => {
                    first_pass.visit(&stored);
                    if let Some(accounting) = &mut accounting {
                        accounting.visit(&stored);
                    }
                }
                Err(_malformed) => first_pass.visit_unreadable(),
            }
        })
        .await
        .map_err(Error::Store)?;
    let reordered = match first_pass.order.finish() {
        Some(reordered) => reordered,
        None => reordered_by_id(case, documents).await?,
    };
    let letters = dead_letters_only(case, documents, dead_letters).await?;
    let strays = letters.keys().filter(|letter| stray(case, letter));
    let (all, strays) = (letters.len() as u64, strays.count() as u64);
    let mut verdict = Verdict::new(&case.ledger, &first_pass, reordered, all, strays);
    if !first_pass.agrees_with(&case.ledger) {
        let hashes = hashes()?;
        let mut second =
            second_pass(case, documents, hashes.as_deref(), accounting.as_ref()).await?;
        verdict.apply_second_pass(&case.ledger, &second, case.after_checkpoints);
        if let Some(logs) = logs.filter(|_| verdict.missing > 0)
            && let Some(waiting) = waiting_in(logs, case, &mut second, letters.keys()).await
        {
            verdict.apply_second_pass(&case.ledger, &second, waiting);
        }
    }
    if let Some(accounting) = accounting {
        verdict.faults = accounting.accounts(&case.ledger, verdict.reordered, &letters);
    }
    Ok(verdict)
}

/// Reads the documents again in the order of `_id`, because they were stored in too different an order
/// to count those that are reordered.
async fn reordered_by_id(case: &Case, documents: &Documents) -> Result<u64, Error> {
    let mut order = VehicleOrder::new(case.scope.vehicles, case.scope.topics.len()).sorted();
    let mut reader = DocumentReader::default();
    documents
        .scan(run_filter(case), |document| {
            let stored = reader.read(document.as_bytes()).ok();
            let placed = stored.and_then(|stored| case.scope.position(&stored));
            if let Some((reading, position)) = placed {
                order.visit(reading, position);
            }
        })
        .await
        .map_err(Error::Store)?;
    Ok(order.reordered())
}

fn run_filter(case: &Case) -> Document {
    doc! { "_convoy.run": &case.run_id }
}

/// Adds the counts that only the counters have to a verdict.
pub fn count_repetitions(verdict: &mut Verdict, context: &Context) {
    verdict.replayed = context.counters.replayed.get();
    verdict.producer_duplicated = context.counters.producer_duplicated.get();
    verdict.corrupt += context.counters.conflicting.get();
    verdict.withheld = context.counters.withheld.get();
    verdict.log_truncations = context.counters.log_truncations.get();
}

/// Returns the dead letters of readings that are not stored.
///
/// A reading may have several letters, at several offsets. If it was rejected at one offset and
/// stored from another, it counts as stored.
async fn dead_letters_only(
    case: &Case,
    documents: &Documents,
    dead_letters: &Documents,
) -> Result<BTreeMap<Identity, Reason>, Error> {
    /// Ids of one look-up.
    const CHUNK: usize = 1_000;
    let mut letters = BTreeMap::new();
    dead_letters
        .scan_in_stored_order(doc! { "run": &case.run_id }, |letter| {
            let text = |found: Result<&str, _>| found.unwrap_or_default().to_owned();
            let topic = letter
                .get_document("kafka")
                .and_then(|kafka| kafka.get_str("topic"));
            let reason = Reason {
                topic: topic.unwrap_or_default().to_owned(),
                reason: text(letter.get_str("reason")),
            };
            letters.insert(identity(letter), reason);
        })
        .await
        .map_err(Error::Store)?;
    let ids: Vec<_> = letters
        .keys()
        .filter_map(|letter| letter.document_id(case.scope.run))
        .collect();
    for ids in ids.chunks(CHUNK) {
        let stored = documents
            .identities(ids, LOOK_UP_DEADLINE)
            .await
            .map_err(Error::Store)?;
        for id in stored
            .into_iter()
            .filter_map(|stored| DocumentId::from_bytes(stored.id))
        {
            letters.remove(&Identity::Reading(id.vehicle(), id.sequence()));
        }
    }
    Ok(letters)
}

/// Returns the number of readings that are in the broker and were never stored; `None` if the broker
/// could not be read.
///
/// Documents that the store acknowledged and lost are missing, also if their records are still there.
async fn waiting_in(
    logs: BrokerLogs,
    case: &Case,
    second: &mut SecondPass,
    letters: impl Iterator<Item = &Identity>,
) -> Option<u64> {
    for letter in letters {
        if let Identity::Reading(vehicle, sequence) = letter {
            second.explain(*vehicle, *sequence);
        }
    }
    let lost_by_store = case.acknowledged?.saturating_sub(second.stored);
    let mut found: u64 = 0;
    let visit = |vehicle, sequence| found += u64::from(second.explain(vehicle, sequence));
    let complete = logs.read(visit).await;
    complete.then(|| found.saturating_sub(lost_by_store))
}

/// Returns whether a dead letter is not a reading of this run.
fn stray(case: &Case, letter: &Identity) -> bool {
    match letter {
        Identity::Reading(vehicle, _) => *vehicle >= case.scope.vehicles,
        Identity::Place(_) => true,
    }
}

/// Replays the schedules and compares each document with its reading.
async fn second_pass(
    case: &Case,
    documents: &Documents,
    hashes: Option<&[u64]>,
    accounting: Option<&Accounting<'_>>,
) -> Result<SecondPass, Error> {
    let mut per_vehicle = vec![0; case.scope.vehicles as usize];
    for reading in case.readings() {
        per_vehicle[reading.vehicle as usize] += 1;
    }
    let mut second_pass = SecondPass::new(case.scope.clone(), &per_vehicle);
    let total: u64 = per_vehicle.iter().sum();
    let mut readings = vec![(EMPTY, 0); count(total)];
    for (producer, schedule) in case.schedules.iter().enumerate() {
        for reading in schedule.replay() {
            if let Some(slot) = second_pass.slot(reading.vehicle, reading.sequence) {
                readings[count(slot)] = (reading, producer);
            }
        }
    }
    let expected = |slot| {
        let (reading, producer): (Reading, usize) = readings[count(slot)];
        let hash = hashes.map(|hashes| hashes[count(reading.row)]);
        let with_faults = |hash| match accounting {
            // No document of such a reading is right, so no hash may match.
            Some(accounting) => accounting.expected_hash(&reading, hash).unwrap_or(!hash),
            None => hash,
        };
        Expected {
            payload_hash: hash.map(with_faults),
            emitted_at_unix_ms: case.schedules[producer].date(&reading),
        }
    };
    let mut reader = DocumentReader::default();
    documents
        .scan_in_stored_order(run_filter(case), |document| {
            match reader.read(document.as_bytes()) {
                Ok(stored) => second_pass.visit(&stored, expected),
                Err(_malformed) => second_pass.visit_unreadable(),
            }
        })
        .await
        .map_err(Error::Store)?;
    Ok(second_pass)
}

const EMPTY: Reading = Reading {
    vehicle: 0,
    sequence: 0,
    row: 0,
    intended: 0,
    warm_up: false,
};

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
