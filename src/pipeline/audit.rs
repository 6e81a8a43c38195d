//! The audit of a run: scans the store and comes to the verdict.

use std::collections::BTreeSet;
use std::sync::Arc;

use bson::{Document, doc};

use super::context::Context;
use super::dead_letter::{Identity, identity};
use super::error::Error;
use super::message::emitted_at;
use crate::audit::{Examination, Expected, Inquest, Ledger, Scope, Verdict};
use crate::fleet::{Reading, Readings};
use crate::load::Rate;
use crate::record::{DocumentId, DocumentReader};
use crate::store::Documents;

/// What the audit needs besides the store.
#[derive(Debug)]
pub struct Evidence {
    /// What was emitted.
    pub ledger: Ledger,
    /// Records in the broker behind the consumers' last checkpoints.
    pub behind_checkpoints: u64,
    /// When the schedule began, nanoseconds on the run's clock.
    pub start: u64,
}

/// Looks at every document of the run and says what became of every reading.
pub async fn verdict(
    context: &Arc<Context>,
    documents: &Documents,
    dead_letters: &Documents,
    evidence: &Evidence,
) -> Result<Verdict, Error> {
    let scope = scope(context);
    let filter = doc! { "run": &context.settings.run_id };
    let mut examination = Examination::new(scope.clone());
    let label_column = context.workload.label_column().map(str::to_owned);
    let mut reader = DocumentReader::with_label(label_column);
    documents
        .scan(filter.clone(), |document| {
            match reader.read(document.as_bytes()) {
                Ok(stored) => examination.visit(&stored),
                Err(_malformed) => examination.visit_unreadable(),
            }
        })
        .await
        .map_err(Error::Store)?;
    let ledger = &evidence.ledger;
    let letters = set_aside(context, documents, dead_letters, filter).await?;
    let strays = letters.iter().filter(|letter| stray(context, letter));
    let (all, strays) = (letters.len() as u64, strays.count() as u64);
    let mut verdict = Verdict::of(ledger, &examination, all, strays);
    if !examination.agrees_with(ledger) {
        let inquest = inquest(context, documents, scope, evidence).await?;
        verdict.settle(ledger, &inquest, evidence.behind_checkpoints);
    }
    verdict.replayed = context.counters.replayed.get();
    verdict.producer_duplicated = context.counters.producer_duplicated.get();
    verdict.corrupt += context.counters.conflicting.get();
    Ok(verdict)
}

/// Returns what lies among the dead letters and nowhere else.
///
/// A reading may have several letters, under several offsets, and one that was refused under one
/// offset may have been stored under another: it counts as stored.
async fn set_aside(
    context: &Context,
    documents: &Documents,
    dead_letters: &Documents,
    filter: Document,
) -> Result<BTreeSet<Identity>, Error> {
    /// Ids of one look-up.
    const CHUNK: usize = 1_000;
    let mut letters = BTreeSet::new();
    dead_letters
        .scan(filter, |letter| {
            letters.insert(identity(letter));
        })
        .await
        .map_err(Error::Store)?;
    let ids: Vec<_> = letters
        .iter()
        .filter_map(|letter| letter.document_id(context.run))
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
fn stray(context: &Context, letter: &Identity) -> bool {
    match letter {
        Identity::Reading(vehicle, _) => *vehicle >= context.settings.fleet.vehicles,
        Identity::Place(_) => true,
    }
}

fn scope(context: &Context) -> Scope {
    Scope {
        run: context.run,
        vehicles: context.settings.fleet.vehicles,
        topics: (0..)
            .zip(&context.settings.topics)
            .map(|(topic, name)| (name.clone(), context.partitions_of(topic)))
            .collect(),
    }
}

/// Compares each document with the reading that the schedule, replayed, says it is.
async fn inquest(
    context: &Arc<Context>,
    documents: &Documents,
    scope: Scope,
    evidence: &Evidence,
) -> Result<Inquest, Error> {
    let fleet = &context.settings.fleet;
    let emitted = evidence.ledger.emitted;
    let replay = || Readings::new(fleet).take(count(emitted));
    let mut per_vehicle = vec![0; fleet.vehicles as usize];
    for reading in replay() {
        per_vehicle[reading.vehicle as usize] += 1;
    }
    let mut inquest = Inquest::new(scope, &per_vehicle);
    let mut readings = vec![EMPTY; count(emitted)];
    for reading in replay() {
        if let Some(slot) = inquest.slot(reading.vehicle, reading.sequence) {
            readings[count(slot)] = reading;
        }
    }
    let hashes = context.workload.payload_hashes()?;
    let scheduled = fleet.total_rate.unwrap_or(fleet.rate) != Rate::Max;
    let expected = |slot| {
        let mut reading: Reading = readings[count(slot)];
        reading.intended += evidence.start;
        Expected {
            payload_hash: hashes[count(reading.row)],
            emitted_at_unix_ms: scheduled.then(|| emitted_at(context, &reading)),
        }
    };
    let mut reader = DocumentReader::default();
    documents
        .scan(
            doc! { "run": &context.settings.run_id },
            |document| match reader.read(document.as_bytes()) {
                Ok(stored) => inquest.visit(&stored, expected),
                Err(_malformed) => inquest.visit_unreadable(),
            },
        )
        .await
        .map_err(Error::Store)?;
    Ok(inquest)
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
