//! The audit of a run: scans the store and comes to the verdict.

use std::collections::BTreeSet;
use std::sync::Arc;

use bson::{Document, doc};

use super::context::Context;
use super::dead_letter;
use super::error::Error;
use super::producer::emitted_at;
use crate::audit::{Examination, Expected, Inquest, Ledger, Scope, Verdict};
use crate::fleet::{Reading, Readings};
use crate::load::Rate;
use crate::record::DocumentReader;
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
    let dead_lettered = dead_lettered(context, documents, dead_letters, filter).await?;
    let mut verdict = Verdict::of(ledger, &examination, dead_lettered);
    if !examination.agrees_with(ledger) {
        let inquest = inquest(context, documents, scope, evidence).await?;
        verdict.settle(ledger, &inquest, evidence.behind_checkpoints);
    }
    verdict.replayed = context.counters.replayed.get();
    verdict.producer_duplicated = context.counters.producer_duplicated.get();
    verdict.corrupt += context.counters.conflicting.get();
    Ok(verdict)
}

/// Counts what lies among the dead letters and nowhere else.
///
/// A reading may have several letters, under several offsets, and one that was refused under one
/// offset may have been stored under another: it counts as stored.
async fn dead_lettered(
    context: &Context,
    documents: &Documents,
    dead_letters: &Documents,
    filter: Document,
) -> Result<u64, Error> {
    /// Ids of one look-up.
    const CHUNK: usize = 1_000;
    let mut letters = BTreeSet::new();
    dead_letters
        .scan(filter, |letter| {
            letters.insert(dead_letter::identity(letter));
        })
        .await
        .map_err(Error::Store)?;
    let ids: Vec<_> = letters
        .iter()
        .filter_map(|letter| letter.document_id(context.run))
        .collect();
    let mut stored = 0;
    for ids in ids.chunks(CHUNK) {
        stored += documents.identities(ids).await.map_err(Error::Store)?.len();
    }
    Ok(letters.len().saturating_sub(stored) as u64)
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
