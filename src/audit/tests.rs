//! Goal: the audit names exactly what is wrong with a store.
//! Method: the documents of a small fleet, with one change each.

use proptest::prelude::*;

use crate::audit::*;
use crate::dataset::{Column, ColumnType, Schema};
use crate::record::{
    DocumentId, DocumentReader, Envelope, Origin, PayloadDecoder, PayloadEncoder, RecordHeaders,
    RunKey, payload_hash, write_document,
};

const VEHICLES: u32 = 5;
const PER_VEHICLE: u64 = 8;
const READINGS: u64 = VEHICLES as u64 * PER_VEHICLE;

/// Where the bytes of the `_id`'s UUID begin in a document: length, type, `_id\0`, length, subtype.
const ID_BYTES: usize = 4 + 1 + 4 + 4 + 1;

/// Documents of one run and its ledger.
struct Store {
    scope: Scope,
    ledger: Ledger,
    documents: Vec<Vec<u8>>,
}

/// Vehicle and sequence of the n-th document.
fn identity(n: u64) -> (u32, u64) {
    (
        u32::try_from(n % u64::from(VEHICLES)).unwrap(),
        n / u64::from(VEHICLES),
    )
}

fn payload(vehicle: u32, sequence: u64) -> Vec<u8> {
    let mut payload = Vec::new();
    let number = (u64::from(vehicle) * 1_000 + sequence).to_string();
    let class = if sequence.is_multiple_of(3) {
        "pos"
    } else {
        "neg"
    };
    let fields = [class, number.as_str()];
    PayloadEncoder::new(&schema())
        .encode(fields.into_iter(), &mut payload)
        .unwrap();
    payload
}

fn schema() -> Schema {
    let column = |name: &str, kind| Column {
        name: name.to_owned(),
        kind,
        nullable: false,
    };
    Schema {
        columns: vec![
            column("class", ColumnType::Text),
            column("n", ColumnType::Integer),
        ],
    }
}

fn document(run: RunKey, n: u64, offset: i64) -> (Vec<u8>, u128) {
    let (vehicle, sequence) = identity(n);
    let payload = payload(vehicle, sequence);
    let payload_hash = payload_hash(&payload);
    let envelope = Envelope {
        run,
        vehicle,
        sequence,
        warm_up: false,
        intended: 0,
        sent: 0,
        payload_hash,
    };
    let origin = Origin {
        run: "run",
        topic: "topic",
        partition: 0,
        offset,
        emitted_at_unix_ms: n.cast_signed(),
        timestamp_ms: 0,
        key: None,
        headers: RecordHeaders::default(),
    };
    let mut bytes = Vec::new();
    let decoder = PayloadDecoder::new(&schema());
    write_document(&envelope, &origin, &payload, &decoder, &mut bytes).unwrap();
    let id = DocumentId::new(run, vehicle, sequence);
    (bytes, fingerprint(&id, payload_hash, n.cast_signed()))
}

impl Store {
    fn filled() -> Self {
        let run = RunKey::new("run");
        let topics = vec![("topic".to_owned(), 1)];
        let scope = Scope {
            run,
            vehicles: VEHICLES,
            topics,
        };
        let mut ledger = Ledger {
            emitted: READINGS,
            ..Ledger::default()
        };
        let mut documents = Vec::new();
        for n in 0..READINGS {
            let (bytes, print) = document(run, n, n.cast_signed());
            ledger.messages.add(print);
            documents.push(bytes);
        }
        Self {
            scope,
            ledger,
            documents,
        }
    }

    fn verdict(&self) -> Verdict {
        let mut reader = DocumentReader::default();
        let mut first_pass = FirstPass::new(self.scope.clone());
        for document in &self.documents {
            match reader.read(document) {
                Ok(stored) => first_pass.visit(&stored),
                Err(_malformed) => first_pass.visit_unreadable(),
            }
        }
        let reordered = first_pass.order.finish().unwrap();
        let mut verdict = Verdict::new(&self.ledger, &first_pass, reordered, 0, 0);
        verdict.labels.clear();
        if !first_pass.agrees_with(&self.ledger) {
            let mut second_pass =
                SecondPass::new(self.scope.clone(), &[PER_VEHICLE; VEHICLES as usize]);
            for document in &self.documents {
                match reader.read(document) {
                    Ok(stored) => second_pass.visit(&stored, |slot| {
                        let vehicle = u32::try_from(slot / PER_VEHICLE).unwrap();
                        let sequence = slot % PER_VEHICLE;
                        let n = sequence * u64::from(VEHICLES) + u64::from(vehicle);
                        Expected {
                            payload_hash: Some(payload_hash(&payload(vehicle, sequence))),
                            emitted_at_unix_ms: Some(n.cast_signed()),
                        }
                    }),
                    Err(_malformed) => second_pass.visit_unreadable(),
                }
            }
            verdict.apply_second_pass(&self.ledger, &second_pass, 0);
        }
        verdict
    }
}

#[test]
fn store_with_exactly_the_emitted_readings_is_clean() {
    let verdict = Store::filled().verdict();
    assert!(verdict.clean());
    let expected = Verdict {
        emitted: READINGS,
        stored: READINGS,
        ..Verdict::default()
    };
    assert_eq!(verdict, expected);
}

#[test]
fn unacknowledged_readings_are_undelivered_not_missing() {
    let mut store = Store::filled();
    store.documents.truncate(store.documents.len() - 2);
    store.ledger.not_acked = 2;
    let verdict = store.verdict();
    assert_eq!((verdict.undelivered, verdict.missing), (2, 0));
}

#[test]
fn readings_without_a_document_that_are_in_the_broker_are_undelivered() {
    let mut store = Store::filled();
    store.documents.truncate(store.documents.len() - 5);
    let mut second_pass = SecondPass::new(store.scope.clone(), &[PER_VEHICLE; VEHICLES as usize]);
    let mut reader = DocumentReader::default();
    for document in &store.documents {
        let stored = reader.read(document).unwrap();
        second_pass.visit(&stored, |_slot| Expected {
            payload_hash: None,
            emitted_at_unix_ms: None,
        });
    }
    // Records of the last three readings are in the broker, one twice, and one that has a document.
    let last = READINGS - 1;
    let found = [last, last - 1, last - 2, last, 0].map(|n| {
        let (vehicle, sequence) = identity(n);
        second_pass.explain(vehicle, sequence)
    });
    assert_eq!(found, [true, true, true, false, false]);
    assert!(!second_pass.explain(VEHICLES, 0), "no such vehicle");
    let mut verdict = store.verdict();
    verdict.apply_second_pass(&store.ledger, &second_pass, 3);
    assert_eq!(
        (verdict.stored, verdict.undelivered, verdict.missing),
        (READINGS - 5, 3, 2)
    );
}

proptest! {
    #[test]
    fn dropped_documents_are_missing(dropped in 0..READINGS) {
        let mut store = Store::filled();
        store.documents.remove(usize::try_from(dropped).unwrap());
        let verdict = store.verdict();
        prop_assert_eq!((verdict.missing, verdict.stored), (1, READINGS - 1));
        prop_assert_eq!((verdict.corrupt, verdict.duplicated), (0, 0));
    }

    #[test]
    fn copies_with_another_id_are_duplicates(copied in 0..READINGS, version in 0u8..8) {
        let mut store = Store::filled();
        let mut copy = store.documents[usize::try_from(copied).unwrap()].clone();
        copy[ID_BYTES + 6] = version << 4;
        store.documents.push(copy);
        let verdict = store.verdict();
        prop_assert_eq!((verdict.duplicated, verdict.stored), (1, READINGS));
        prop_assert_eq!((verdict.missing, verdict.corrupt), (0, 0));
    }

    #[test]
    fn documents_without_an_emitted_reading_are_corrupt(sequence in PER_VEHICLE..1_000) {
        let mut store = Store::filled();
        let n = sequence * u64::from(VEHICLES);
        let (bytes, _) = document(store.scope.run, n, n.cast_signed());
        store.documents.push(bytes);
        let verdict = store.verdict();
        prop_assert_eq!((verdict.corrupt, verdict.missing), (1, 0));
    }

    #[test]
    fn a_changed_byte_anywhere_is_reported(at: prop::sample::Index, n in 0..READINGS, bit in 0u8..8) {
        let mut store = Store::filled();
        let document = &mut store.documents[usize::try_from(n).unwrap()];
        let at = at.index(document.len());
        // The audit selects documents by the run's name, and an offset can change without breaking
        // the order; every other byte is compared.
        let named = document.windows(4).position(|bytes| bytes == b"run\0").unwrap();
        let kafka = document.windows(6).position(|bytes| bytes == b"kafka\0");
        let place = |kafka| {
            let length: [u8; 4] = document[kafka + 6..kafka + 10].try_into().unwrap();
            kafka - 1..kafka + 6 + u32::from_le_bytes(length) as usize
        };
        let exempt = (named - 1..named + 12).contains(&at)
            || kafka.is_none_or(|kafka| place(kafka).contains(&at));
        document[at] ^= 1 << bit;
        let verdict = store.verdict();
        prop_assert!(exempt || !verdict.clean(), "byte {} of {}: {:?}", at, n, verdict);
    }

    #[test]
    fn two_documents_with_swapped_ids_are_corrupt(one in 0..READINGS, other in 0..READINGS) {
        let mut store = Store::filled();
        let (one, other) = (usize::try_from(one).unwrap(), usize::try_from(other).unwrap());
        let id_of = |document: &[u8]| document[ID_BYTES..ID_BYTES + 16].to_vec();
        let ids = (id_of(&store.documents[one]), id_of(&store.documents[other]));
        store.documents[one][ID_BYTES..ID_BYTES + 16].copy_from_slice(&ids.1);
        store.documents[other][ID_BYTES..ID_BYTES + 16].copy_from_slice(&ids.0);
        let verdict = store.verdict();
        prop_assert_eq!(verdict.corrupt, if one == other { 0 } else { 2 });
    }

    #[test]
    fn swapped_offsets_of_one_vehicle_are_reordered(vehicle in 0..VEHICLES, sequences in prop::sample::subsequence((0..PER_VEHICLE).collect::<Vec<_>>(), 2)) {
        let mut store = Store::filled();
        let n = |sequence: u64| sequence * u64::from(VEHICLES) + u64::from(vehicle);
        let (early, late) = (n(sequences[0]), n(sequences[1]));
        for (n, offset) in [(early, late), (late, early)] {
            let (bytes, _) = document(store.scope.run, n, offset.cast_signed());
            store.documents[usize::try_from(n).unwrap()] = bytes;
        }
        prop_assert!(store.verdict().reordered >= 1);
    }
}
