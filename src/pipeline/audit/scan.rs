//! The audit of a run: scans the store and comes to the verdict.

use std::collections::BTreeMap;

use bson::{Document, doc};

use crate::audit::{Expected, FirstPass, Ledger, Scope, SecondPass, Verdict};
use crate::fleet::{self, Reading, Readings};
use crate::load::Rate;
use crate::pipeline::audit::accounting::{Accounting, Reason, scheduled};
use crate::pipeline::context::Context;
use crate::pipeline::dead_letter::{Identity, identity};
use crate::pipeline::error::Error;
use crate::record::{DocumentId, DocumentReader};
use crate::store::Documents;

/// A run whose documents are looked at, and what its producers say they emitted.
#[derive(Debug)]
pub struct Case {
    /// Name of the run.
    pub run_id: String,
    /// What its documents are held against.
    pub scope: Scope,
    /// Name of the label column.
    pub label_column: Option<String>,
    /// What all producers emitted together.
    pub ledger: Ledger,
    /// What each producer emitted, to be replayed if sums differ.
    pub emissions: Vec<Emission>,
    /// Records in the broker behind the consumers' last checkpoints.
    pub behind_checkpoints: u64,
}

/// The schedule that one producer followed.
#[derive(Debug, Clone, Copy)]
pub struct Emission {
    /// The fleet, or the part of it.
    pub fleet: fleet::Settings,
    /// Readings of it that were emitted.
    pub emitted: u64,
    /// The producer's epoch by the wall clock, milliseconds since 1970.
    pub epoch_unix_ms: u64,
    /// When the schedule began, nanoseconds after the epoch.
    pub start: u64,
}

impl Case {
    /// Puts the case of a run together whose producers were this process's.
    pub fn of(context: &Context, ledger: Ledger, behind_checkpoints: u64, start: u64) -> Self {
        let settings = &context.settings;
        let emission = Emission {
            fleet: settings.fleet,
            emitted: scheduled(context, &ledger),
            epoch_unix_ms: context.clock.epoch_unix_ms(),
            start,
        };
        let topics = settings.topics.iter().enumerate();
        Self {
            run_id: settings.run_id.clone(),
            scope: Scope {
                run: context.run,
                vehicles: settings.fleet.vehicles,
                topics: topics
                    .map(|(topic, name)| (name.clone(), context.partitions_of(topic)))
                    .collect(),
            },
            label_column: context.workload.label_column().map(str::to_owned),
            ledger,
            emissions: vec![emission],
            behind_checkpoints,
        }
    }
}

impl Emission {
    /// Goes through the readings that were emitted.
    fn replay(&self) -> impl Iterator<Item = Reading> {
        Readings::new(&self.fleet).take(count(self.emitted))
    }

    /// Returns when a reading was emitted by the wall clock, where the schedule says it.
    fn date(&self, reading: &Reading) -> Option<i64> {
        let scheduled = self.fleet.total_rate.unwrap_or(self.fleet.rate) != Rate::Max;
        let since_epoch_ms = (self.start + reading.intended) / 1_000_000;
        scheduled.then(|| (self.epoch_unix_ms + since_epoch_ms).cast_signed())
    }
}

/// Looks at every document of the run and says what became of every reading.
///
/// `hashes` gives those of every row's payload, or none where the rows are not at hand; it is asked
/// only if the sums differ.
pub async fn verdict(
    case: &Case,
    documents: &Documents,
    dead_letters: &Documents,
    hashes: impl FnOnce() -> Result<Option<Vec<u64>>, Error>,
    mut accounting: Option<Accounting<'_>>,
) -> Result<Verdict, Error> {
    let filter = doc! { "run": &case.run_id };
    let mut first_pass = FirstPass::new(case.scope.clone());
    let mut reader = DocumentReader::with_label(case.label_column.clone());
    documents
        .scan(filter.clone(), |document| {
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
    let letters = set_aside(case, documents, dead_letters, filter).await?;
    let strays = letters.keys().filter(|letter| stray(case, letter));
    let (all, strays) = (letters.len() as u64, strays.count() as u64);
    let mut verdict = Verdict::new(&case.ledger, &first_pass, all, strays);
    if !first_pass.agrees_with(&case.ledger) {
        let hashes = hashes()?;
        let second_pass =
            second_pass(case, documents, hashes.as_deref(), accounting.as_ref()).await?;
        verdict.apply_second_pass(&case.ledger, &second_pass, case.behind_checkpoints);
    }
    if let Some(accounting) = accounting {
        verdict.faults = accounting.accounts(&case.ledger, verdict.reordered, &letters);
    }
    Ok(verdict)
}

/// Adds to a verdict what only the counters know.
pub fn count_repetitions(verdict: &mut Verdict, context: &Context) {
    verdict.replayed = context.counters.replayed.get();
    verdict.producer_duplicated = context.counters.producer_duplicated.get();
    verdict.corrupt += context.counters.conflicting.get();
    verdict.withheld = context.counters.withheld.get();
    verdict.log_truncations = context.counters.log_truncations.get();
}

/// Returns what lies among the dead letters and nowhere else.
///
/// A reading may have several letters, under several offsets, and one that was refused under one
/// offset may have been stored under another: it counts as stored.
async fn set_aside(
    case: &Case,
    documents: &Documents,
    dead_letters: &Documents,
    filter: Document,
) -> Result<BTreeMap<Identity, Reason>, Error> {
    /// Ids of one look-up.
    const CHUNK: usize = 1_000;
    let mut letters = BTreeMap::new();
    dead_letters
        .scan(filter, |letter| {
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
        let stored = documents.identities(ids).await.map_err(Error::Store)?;
        for id in stored
            .into_iter()
            .filter_map(|stored| DocumentId::from_bytes(stored.id))
        {
            letters.remove(&Identity::Reading(id.vehicle(), id.sequence()));
        }
    }
    Ok(letters)
}

/// Returns whether a dead letter is no reading of this run.
fn stray(case: &Case, letter: &Identity) -> bool {
    match letter {
        Identity::Reading(vehicle, _) => *vehicle >= case.scope.vehicles,
        Identity::Place(_) => true,
    }
}

/// Compares each document with the reading that the schedules, replayed, say it is.
async fn second_pass(
    case: &Case,
    documents: &Documents,
    hashes: Option<&[u64]>,
    accounting: Option<&Accounting<'_>>,
) -> Result<SecondPass, Error> {
    let mut per_vehicle = vec![0; case.scope.vehicles as usize];
    for reading in case.emissions.iter().flat_map(Emission::replay) {
        per_vehicle[reading.vehicle as usize] += 1;
    }
    let mut second_pass = SecondPass::new(case.scope.clone(), &per_vehicle);
    let total: u64 = per_vehicle.iter().sum();
    let mut readings = vec![(EMPTY, 0); count(total)];
    for (producer, emission) in case.emissions.iter().enumerate() {
        for reading in emission.replay() {
            if let Some(slot) = second_pass.slot(reading.vehicle, reading.sequence) {
                readings[count(slot)] = (reading, producer);
            }
        }
    }
    let expected = |slot| {
        let (reading, producer): (Reading, usize) = readings[count(slot)];
        let hash = hashes.map(|hashes| hashes[count(reading.row)]);
        let spoilt = |hash| match accounting {
            // Whatever is stored of a reading that must not be stored is not what it should be.
            Some(accounting) => accounting.expected_hash(&reading, hash).unwrap_or(!hash),
            None => hash,
        };
        Expected {
            payload_hash: hash.map(spoilt),
            emitted_at_unix_ms: case.emissions[producer].date(&reading),
        }
    };
    let mut reader = DocumentReader::default();
    documents
        .scan(doc! { "run": &case.run_id }, |document| {
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
