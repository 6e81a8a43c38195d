//! Compares the collection of an external consumer with the readings.

use std::time::Duration;

use convoy_mongodb_server::bson::Doc;

use crate::audit::{
    ChangedDocument, CollectionPass, Ledger, MissingReadings, ReadingId, ReorderedVehicle, Verdict,
};
use crate::fleet::Key;
use crate::pipeline::audit::Case;
use crate::pipeline::emit::{EncodeBuffer, Workload};
use crate::pipeline::error::Error;
use crate::pipeline::external::settling::Settled;
use crate::pipeline::settings::EmissionSettings;
use crate::record::{
    FoundIdentity, HASHES_CONTENT, NoIdentity, explain_no_identity, find_identity, first_difference,
};
use crate::store::{Connection, Documents};

/// Deadline of the look at other collections.
const ELSEWHERE_DEADLINE: Duration = Duration::from_secs(10);

/// What is known of an external consumer's collection beyond the verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collected {
    /// Why the run no longer waited.
    pub settled: Settled,
    /// Documents that name the run.
    pub documents: u64,
    /// Documents in the collection that do not name the run.
    pub other_documents: u64,
    /// Why the first of them that arrived during the run has no identity.
    pub unnamed: Option<NoIdentity>,
    /// Other collections with documents of the run, if this one has none.
    pub elsewhere: Vec<String>,
    /// Whether the order of each vehicle's readings was judged: the broker keeps it only with vehicles
    /// as keys.
    pub order_judged: bool,
    /// Records that the topic has more than once, because the producer resent them; `None` if that is
    /// not known.
    pub appended_again: Option<u64>,
    /// The first readings without a document.
    pub missing: Vec<MissingReadings>,
    /// The vehicles with the most readings out of order.
    pub reordered: Vec<ReorderedVehicle>,
    /// The first documents that differ from their reading.
    pub changed: Vec<ChangedDocument>,
}

/// Outcome of an audit.
#[derive(Debug)]
pub struct Audited {
    pub verdict: Verdict,
    pub documents: u64,
    pub other_documents: u64,
    pub unnamed: Option<NoIdentity>,
    pub missing: Vec<MissingReadings>,
    pub reordered: Vec<ReorderedVehicle>,
    pub changed: Vec<ChangedDocument>,
}

impl Collected {
    /// Returns what is known before the audit.
    pub fn unaudited(settled: Settled, order_judged: bool, appended_again: Option<u64>) -> Self {
        Self {
            settled,
            documents: 0,
            other_documents: 0,
            unnamed: None,
            elsewhere: Vec::new(),
            order_judged,
            appended_again,
            missing: Vec::new(),
            reordered: Vec::new(),
            changed: Vec::new(),
        }
    }

    /// Adds what an audit found; returns its verdict.
    pub fn fill(&mut self, audited: Audited) -> Verdict {
        self.documents = audited.documents;
        self.other_documents = audited.other_documents;
        self.unnamed = audited.unnamed;
        self.missing = audited.missing;
        self.reordered = audited.reordered;
        self.changed = audited.changed;
        audited.verdict
    }
}

/// Returns whether the broker keeps the order of each vehicle's readings.
pub fn is_ordered(emission: &EmissionSettings) -> bool {
    emission.key == Key::Vehicle
}

/// Reads every document of a collection in the order in which they were stored. `existing` of them
/// were there before the run.
pub async fn audit(
    case: &Case,
    emission: &EmissionSettings,
    documents: &Documents,
    existing: u64,
) -> Result<Audited, Error> {
    let mut pass = expected(case, emission);
    let workload = &*emission.workload;
    let (mut of_run, mut others) = (0, 0);
    let mut buffer = EncodeBuffer::default();
    let (mut failure, mut unnamed) = (None, None);
    let scan = documents.scan_in_stored_order(bson::doc! {}, |document| {
        case.visited.add(1);
        let identity = find_identity(Doc::new(document.as_bytes()));
        let Some(identity) = identity.filter(|it| it.run == case.run_id) else {
            others += 1;
            if unnamed.is_none() && identity.is_none() && others > existing {
                let document = Doc::new(document.as_bytes());
                unnamed = Some(explain_no_identity(document, &case.run_id));
            }
            return;
        };
        of_run += 1;
        let compare = |row| match difference(workload, row, &mut buffer, &identity) {
            Ok(difference) => difference,
            Err(error) => {
                failure.get_or_insert(error);
                None
            }
        };
        pass.visit(identity.vehicle, identity.sequence, compare);
    });
    scan.await.map_err(Error::Store)?;
    if let Some(error) = failure {
        return Err(error);
    }
    Ok(Audited {
        verdict: pass.verdict(&case.ledger, is_ordered(emission)),
        documents: of_run,
        other_documents: others,
        unnamed,
        missing: missing(&pass, &case.ledger),
        reordered: if is_ordered(emission) {
            pass.reordered_examples()
        } else {
            Vec::new()
        },
        changed: pass.changed_examples,
    })
}

/// Returns the names of other collections whose newest document is one of the run.
pub async fn elsewhere(store: &Connection, documents: &Documents, run: &str) -> Vec<String> {
    let expected = documents.name();
    let newest = store.newest_documents(&expected);
    let newest = tokio::time::timeout(ELSEWHERE_DEADLINE, newest).await;
    let newest = newest.ok().and_then(Result::ok).unwrap_or_default();
    let of_run = newest.into_iter().filter(|it| {
        let identity = find_identity(Doc::new(it.document.as_bytes()));
        identity.is_some_and(|identity| identity.run == run)
    });
    of_run.map(|it| it.collection).collect()
}

/// Replays the schedule: which reading has which row.
fn expected(case: &Case, emission: &EmissionSettings) -> CollectionPass {
    let mut per_vehicle = vec![0; case.scope.vehicles as usize];
    for reading in case.readings() {
        per_vehicle[reading.vehicle as usize] += 1;
    }
    let mut pass = CollectionPass::new(&per_vehicle);
    let faults = emission.data_faults.as_ref();
    for reading in case.readings() {
        let (vehicle, sequence) = (reading.vehicle, reading.sequence);
        if !faults.is_some_and(|faults| faults.is_in_missing_batch(vehicle, sequence)) {
            pass.emitted(ReadingId { vehicle, sequence }, reading.row);
        }
    }
    pass
}

/// Compares a document with a row of the dataset; returns what differs.
fn difference(
    workload: &Workload,
    row: u64,
    buffer: &mut EncodeBuffer,
    identity: &FoundIdentity<'_>,
) -> Result<Option<String>, Error> {
    if !HASHES_CONTENT {
        return Ok(None);
    }
    workload.encode(row, buffer, |_label| ())?;
    let schema = workload.schema(workload.topic_of(row));
    let difference = first_difference(schema, &buffer.payload, identity.holder);
    Ok(difference.map(|difference| difference.to_string()))
}

/// Returns examples of missing readings. Which readings the broker did not acknowledge is not known,
/// and those have no document either.
fn missing(pass: &CollectionPass, ledger: &Ledger) -> Vec<MissingReadings> {
    if ledger.not_acked > 0 {
        return Vec::new();
    }
    pass.missing_examples()
}
