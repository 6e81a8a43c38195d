//! Tests of the audit on a live store: one change is made to the documents between drain and audit of
//! a real run, and the verdict must report exactly that. A seed selects the documents.

use std::sync::Mutex;

use bson::{Bson, Document, doc};
use mongodb::{Client, Collection};

use crate::audit::Verdict;
use crate::load::random_bits;
use crate::pipeline::tests::*;

/// Readings of a run.
const READINGS: u64 = 60;

/// Seeds of each kind in the ordinary test run.
const FEW: u64 = 6;

/// Seeds of each kind in the soak.
const MANY: u64 = 40;

/// A change of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mutation {
    Drop,
    Duplicate,
    Swap,
    Corrupt,
    Reorder,
}

impl Mutation {
    const ALL: [Self; 5] = [
        Self::Drop,
        Self::Duplicate,
        Self::Swap,
        Self::Corrupt,
        Self::Reorder,
    ];

    async fn apply(self, collection: &Collection<Document>, seed: u64) {
        let mut found = collection
            .find(doc! {})
            .sort(doc! { "_id": 1 })
            .await
            .unwrap();
        let mut documents = Vec::new();
        while found.advance().await.unwrap() {
            documents.push(found.deserialize_current().unwrap());
        }
        let draw = |nth: u64, bound: usize| -> usize {
            usize::try_from(random_bits(seed, nth, 0) % bound as u64).unwrap()
        };
        let one = &documents[draw(0, documents.len())];
        match self {
            Self::Drop => {
                let dropped = collection.delete_one(by_id(one)).await.unwrap();
                assert_eq!(dropped.deleted_count, 1);
            }
            Self::Duplicate => {
                let mut copy = one.clone();
                copy.insert("_id", bson::oid::ObjectId::new());
                collection.insert_one(copy).await.unwrap();
            }
            Self::Corrupt => {
                let columns = columns(one);
                let column = columns[draw(1, columns.len())];
                let other = match one.get(column).unwrap() {
                    Bson::Int32(1) | Bson::Int64(1) => Bson::Int32(2),
                    _ => Bson::Int32(1),
                };
                set(collection, one, doc! { column: other }).await;
            }
            Self::Swap => {
                let others: Vec<&Document> = documents
                    .iter()
                    .filter(|other| row(other) != row(one))
                    .collect();
                let other = others[draw(1, others.len())];
                set(collection, one, row(other)).await;
                set(collection, other, row(one)).await;
            }
            Self::Reorder => {
                let siblings: Vec<&Document> = documents
                    .iter()
                    .filter(|other| own(other, "vehicle") == own(one, "vehicle"))
                    .filter(|other| own(other, "sequence") != own(one, "sequence"))
                    .collect();
                let other = siblings[draw(1, siblings.len())];
                let place = |document: &Document| doc! { "_convoy.kafka": own(document, "kafka") };
                set(collection, one, place(other)).await;
                set(collection, other, place(one)).await;
            }
        }
    }

    /// Checks that the verdict reports this change and nothing else.
    fn check(self, verdict: &Verdict) {
        let details = format!("{self:?}: {verdict:?}");
        let counts = (verdict.missing, verdict.duplicated, verdict.corrupt);
        let expected = match self {
            Self::Drop => (1, 0, 0),
            Self::Duplicate => (0, 1, 0),
            Self::Swap => (0, 0, 2),
            Self::Corrupt => (0, 0, 1),
            Self::Reorder => (0, 0, 0),
        };
        assert_eq!(counts, expected, "{details}");
        assert_eq!(verdict.reordered > 0, self == Self::Reorder, "{details}");
        assert_eq!(verdict.clean(), self == Self::Reorder, "{details}");
    }
}

/// Names of the dataset's fields.
fn columns(document: &Document) -> Vec<&str> {
    let own = |name: &&str| !crate::record::RESERVED_FIELDS.contains(name);
    document.keys().map(String::as_str).filter(own).collect()
}

/// Returns a field that convoy adds.
fn own<'a>(document: &'a Document, name: &str) -> &'a Bson {
    let own = document.get_document("_convoy").unwrap();
    own.get(name).unwrap()
}

fn row(document: &Document) -> Document {
    let field = |name: &str| (name.to_owned(), document.get(name).unwrap().clone());
    columns(document).into_iter().map(field).collect()
}

fn by_id(document: &Document) -> Document {
    doc! { "_id": document.get("_id").unwrap() }
}

async fn set(collection: &Collection<Document>, document: &Document, fields: Document) {
    let update = doc! { "$set": fields };
    let updated = collection
        .update_one(by_id(document), update)
        .await
        .unwrap();
    assert_eq!(updated.modified_count, 1);
}

/// Changes the store when the audit starts.
#[derive(Debug)]
struct Saboteur {
    store: String,
    mutation: Mutation,
    seed: u64,
    done: Mutex<bool>,
}

impl Observer for Saboteur {
    fn phase(&self, phase: Phase) {
        if phase != Phase::Auditing {
            return;
        }
        let (store, mutation, seed) = (self.store.clone(), self.mutation, self.seed);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let client = Client::with_uri_str(store).await.unwrap();
                let collection = client.database("convoy").collection("sensor");
                mutation.apply(&collection, seed).await;
                client.shutdown().await;
            });
        });
        thread.join().unwrap();
        *self.done.lock().unwrap() = true;
    }

    fn interval(&self, _: &Interval, _: &Stages<Histogram>, _: &Totals) {}
}

async fn sabotage(mutation: Mutation, seed: u64) {
    let place = Place::open(None).await;
    let context = small_run_with(seed, |parts| {
        parts.emission.fleet.bound = Bound::Records(READINGS);
    });
    let saboteur = Arc::new(Saboteur {
        store: format!("mongodb://{}", place.store.address()),
        mutation,
        seed,
        done: Mutex::new(false),
    });
    let observer: Arc<dyn Observer> = Arc::<Saboteur>::clone(&saboteur);
    let outcome = observed_run(place.endpoints(), &context, observer).await;
    assert!(outcome.failure.is_none(), "{:?}", outcome.failure);
    assert!(*saboteur.done.lock().unwrap());
    mutation.check(&outcome.verdict.unwrap());
    place.close().await;
}

async fn sabotage_all(seeds: std::ops::Range<u64>) {
    for seed in seeds.clone() {
        for mutation in Mutation::ALL {
            sabotage(mutation, seed).await;
        }
    }
    println!("seeds {seeds:?}: every drop, duplicate, swap, corruption and reordering reported");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_change_of_the_store_is_reported_by_kind() {
    sabotage_all(0..FEW).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: `just soak`"]
async fn soak_of_mutations() {
    sabotage_all(FEW..MANY).await;
}
