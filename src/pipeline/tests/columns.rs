//! Goal: every kind of cell reaches the store with its type and without a loss, and the audit agrees.
//! Method: small CSV files, replayed once by one vehicle, as JSON and in Confluent's wire format.

use std::str::FromStr as _;

use bson::{Bson, Document, doc};
use convoy_registry_server as embedded_registry;
use convoy_registry_server::RegistryServer;
use futures_util::TryStreamExt as _;

use crate::dataset::{NullValues, Renames};
use crate::pipeline::tests::*;
use crate::registry::{self, Client};

/// A file, how it is read, and the documents that it gives.
struct Case {
    /// Why the documents are right.
    why: &'static str,
    rows: &'static str,
    options: fn(&mut ReadOptions),
    stored: Vec<Document>,
}

fn case(why: &'static str, rows: &'static str, stored: Vec<Document>) -> Case {
    Case {
        why,
        rows,
        options: |_| {},
        stored,
    }
}

fn decimal128(text: &str) -> Bson {
    Bson::Decimal128(bson::Decimal128::from_str(text).unwrap())
}

fn date(text: &str) -> Bson {
    Bson::DateTime(bson::DateTime::parse_rfc3339_str(text).unwrap())
}

fn numbers() -> Vec<Case> {
    vec![
        case(
            "integers are as small as they fit",
            "n\n1\n-3000000000\n9223372036854775807\n",
            vec![
                doc! {"n": 1},
                doc! {"n": -3_000_000_000_i64},
                doc! {"n": i64::MAX},
            ],
        ),
        case(
            "integers beyond 64 bits are exact",
            "n\n5\n9223372036854775808\n-123456789012345678901234567890\n",
            vec![
                doc! {"n": 5},
                doc! {"n": decimal128("9223372036854775808")},
                doc! {"n": decimal128("-123456789012345678901234567890")},
            ],
        ),
        case(
            "integers of more than 34 digits are exact as text",
            "n\n5\n12345678901234567890123456789012345\n",
            vec![
                doc! {"n": "5"},
                doc! {"n": "12345678901234567890123456789012345"},
            ],
        ),
        case(
            "a column with decimals has doubles only",
            "n\n1\n0.50\n-0\n1e-7\n",
            vec![
                doc! {"n": 1.0},
                doc! {"n": 0.5},
                doc! {"n": -0.0},
                doc! {"n": 1e-7},
            ],
        ),
        case(
            "integers that no double holds stay exact beside decimals",
            "n\n9007199254740993\n0.5\n36893488147419103232\n\n-2\n",
            vec![
                doc! {"n": 9_007_199_254_740_993_i64},
                doc! {"n": 0.5},
                doc! {"n": decimal128("36893488147419103232")},
                doc! {"n": -2},
            ],
        ),
    ]
}

fn codes() -> Vec<Case> {
    vec![
        case(
            "codes are not numbers: text, as in the file",
            "exponent,zero,plus,hex,under,inf,beyond\n\
             1E5,007,+5,0x1F,1_000,1.5,1e400\n\
             100,12,7,0x20,2_000,-inf,2\n",
            vec![
                doc! {"exponent": "1E5", "zero": "007", "plus": "+5", "hex": "0x1F",
                "under": "1_000", "inf": "1.5", "beyond": "1e400"},
                doc! {"exponent": "100", "zero": "12", "plus": "7", "hex": "0x20",
                "under": "2_000", "inf": "-inf", "beyond": "2"},
            ],
        ),
        case(
            "an exponent is a number beside a decimal point",
            "n\n1e3\n2.5e3\n",
            vec![doc! {"n": 1000.0}, doc! {"n": 2500.0}],
        ),
        Case {
            why: "a decimal comma is an option",
            rows: "n,text\n\"1,5\",1.5\n\"-0,25\",2\n3,4\n",
            options: |options| options.decimal_comma = true,
            stored: vec![
                doc! {"n": 1.5, "text": "1.5"},
                doc! {"n": -0.25, "text": "2"},
                doc! {"n": 3.0, "text": "4"},
            ],
        },
    ]
}

fn other_values() -> Vec<Case> {
    vec![
        case(
            "booleans have three spellings, and 0 and 1 are integers",
            "a,b,c\ntrue,FALSE,1\nFalse,True,0\n",
            vec![
                doc! {"a": true, "b": false, "c": 1},
                doc! {"a": false, "b": true, "c": 0},
            ],
        ),
        case(
            "ISO 8601 dates are dates in UTC",
            "at,day\n2024-05-01T10:00:00+02:00,2024-05-01\n2024-05-01 10:00:00.25,2024-05-02\n",
            vec![
                doc! {"at": date("2024-05-01T08:00:00Z"), "day": date("2024-05-01T00:00:00Z")},
                doc! {"at": date("2024-05-01T10:00:00.25Z"), "day": date("2024-05-02T00:00:00Z")},
            ],
        ),
        case(
            "dates that milliseconds cannot hold, and texts like dates, stay as in the file",
            "fine,day,zip\n2024-05-01T10:00:00.123456Z,01.05.2024,12345-6789\n",
            vec![
                doc! {"fine": "2024-05-01T10:00:00.123456Z", "day": "01.05.2024",
                "zip": "12345-6789"},
            ],
        ),
        case(
            "the usual markers are missing values in columns of any type",
            "i,d,b,t,x\n1,1.5,true,2024-05-01,x\nNA,NaN,None,NULL,-\n?,n/a,#N/A,,na\n",
            vec![
                doc! {"i": 1, "d": 1.5, "b": true, "t": date("2024-05-01T00:00:00Z"), "x": "x"},
                doc! {"i": null, "d": null, "b": null, "t": null, "x": null},
                doc! {"i": null, "d": null, "b": null, "t": null, "x": null},
            ],
        ),
        Case {
            why: "given markers replace the usual ones",
            rows: "n,text\n1,NA\n-999,x\n",
            options: |options| options.null_values = Some(NullValues(vec!["-999".to_owned()])),
            stored: vec![doc! {"n": 1, "text": "NA"}, doc! {"n": null, "text": "x"}],
        },
        case(
            "text keeps every character",
            "text\n\"a, \"\"b\"\"\nc\"\n\u{1f69a}\u{0}\\\n",
            vec![
                doc! {"text": "a, \"b\"\nc"},
                doc! {"text": "\u{1f69a}\u{0}\\"},
            ],
        ),
        case(
            "a column without values is null",
            "n,void\n1,\n",
            vec![doc! {"n": 1, "void": null}],
        ),
    ]
}

fn names() -> Vec<Case> {
    vec![
        case(
            "names that no field can have change by the stated rule",
            "engine.rpm,$speed,temp,temp,,_convoy\n1,2,3,4,5,6\n",
            vec![
                doc! {"engine_rpm": 1, "_speed": 2, "temp": 3, "temp_2": 4, "column_5": 5,
                "_convoy_": 6},
            ],
        ),
        Case {
            why: "given names come first",
            rows: "_id,a.b\n1,2\n",
            options: |options| options.rename = vec![Renames::from_str("_id=id,a.b=b").unwrap()],
            stored: vec![doc! {"id": 1, "b": 2}],
        },
    ]
}

/// Returns the documents of a run that replays the rows once.
async fn stored(
    place: &Place,
    case: &Case,
    number: usize,
    registry: Option<Client>,
) -> Vec<Document> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    std::fs::write(&path, case.rows).unwrap();
    let mut options = ReadOptions::default();
    (case.options)(&mut options);
    let workload = Workload::new(Dataset::open(&path, &options).unwrap());
    let form = if registry.is_some() {
        "confluent"
    } else {
        "json"
    };
    let collection = format!("{form}-{number}");
    let run = small_run_with(number as u64, |parts| {
        parts.emission.fleet.vehicles = 1;
        parts.emission.fleet.rate = Rate::Max;
        parts.emission.fleet.bound = Bound::Rows;
        parts.emission.fleet.rows = workload.rows();
        parts.emission.workload = Arc::new(workload);
        parts.settings.run_id.clone_from(&collection);
        parts.settings.topics = vec![collection.clone()];
        parts.storage.collection.clone_from(&collection);
    });
    let endpoints = Endpoints {
        registry,
        ..place.endpoints()
    };
    let outcome = run_on(endpoints, &run).await;
    assert!(
        outcome.failure.is_none(),
        "{}: {:?}",
        case.why,
        outcome.failure
    );
    let verdict = outcome.verdict.unwrap();
    assert!(verdict.clean(), "{}: {verdict:?}", case.why);
    let client = mongodb::Client::with_uri_str(place.store.uri())
        .await
        .unwrap();
    let documents = client
        .database("convoy")
        .collection::<Document>(&collection);
    // Ids sort by sequence.
    let found = documents.find(doc! {}).sort(doc! {"_id": 1}).await.unwrap();
    found.try_collect().await.unwrap()
}

fn client_of(url: String) -> Client {
    // A second test finds it installed.
    drop(rustls::crypto::ring::default_provider().install_default());
    let settings = registry::Settings {
        url,
        user: None,
        ca_pem: None,
        timeout: Duration::from_secs(5),
    };
    Client::new(&settings).unwrap()
}

async fn check(cases: Vec<Case>) {
    let place = Place::open(None).await;
    let registry = RegistryServer::start(embedded_registry::Settings::default());
    let registry = registry.await.unwrap();
    for (number, case) in cases.iter().enumerate() {
        let client = client_of(registry.url());
        for client in [None, Some(client)] {
            let documents = stored(&place, case, number, client).await;
            let fields = |(document, row): (&Document, &Document)| -> Document {
                let field = |name: &String| (name.clone(), document.get(name).cloned().unwrap());
                row.keys().map(field).collect()
            };
            let found: Vec<_> = documents.iter().zip(&case.stored).map(fields).collect();
            assert_eq!(documents.len(), case.stored.len(), "{}", case.why);
            assert_eq!(
                format!("{found:?}"),
                format!("{:?}", case.stored),
                "{}",
                case.why
            );
        }
    }
    registry.stop().await.unwrap();
    place.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_are_stored_exactly() {
    check(numbers()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codes_are_stored_as_in_the_file() {
    check(codes()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn booleans_dates_texts_and_missing_values_are_stored_by_their_type() {
    check(other_values()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_are_stored_under_names_that_fields_can_have() {
    check(names()).await;
}
