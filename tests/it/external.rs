//! Goal: a run audits the collection of any other consumer, and tells what that consumer did wrong.
//! Method: the executable emits; a consumer in this test, or `convoy consume` as its command, stores.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::Child;
use std::time::Duration;

use bson::{Bson, Document, doc};
use convoy::broker::{Connector, Endpoint, Isolation, PartitionReader};
use convoy::record::exact_document;
use mongodb::Client;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;

use crate::place::Place;
use crate::simulate::published_schema;

/// A run of 200 readings in one second.
const RUN: &str = "simulate --backend embedded --dataset rows.csv --consumer external \
                   --vehicles 5 --rate 40 --records 200 --partitions 2 --progress never \
                   --format json";

/// Time limit of a wait; on an idle machine it takes a tenth of this.
const DEADLINE: Duration = Duration::from_secs(60);

/// A reading as the consumer reads it.
struct Reading {
    vehicle: i64,
    sequence: i64,
    fields: Document,
}

/// A consumer of every partition that inserts what `store` makes of each reading.
struct TestConsumer<F> {
    partitions: Vec<(PartitionReader, i64)>,
    client: Client,
    store: F,
}

impl<F: FnMut(Reading) -> Vec<Document>> TestConsumer<F> {
    /// Connects with the variables that the run has written.
    async fn connect(place: &Place, store: F) -> Self {
        let env = fs::read_to_string(place.path("run.env")).unwrap();
        let value = |name: &str| {
            let found = env.lines().find_map(|line| line.strip_prefix(name));
            found.unwrap().trim_matches('\'').to_owned()
        };
        let connector = Connector::new(Endpoint::plain(value("BOOTSTRAP_SERVER=")));
        let topic = value("CONVOY_TOPIC=");
        let readers = [0, 1].map(|number| {
            let reader = connector.reader(&topic, number, Isolation::ReadUncommitted);
            (reader, 0)
        });
        let client = Client::with_uri_str(value("MONGO_DB_URL=")).await.unwrap();
        Self {
            partitions: readers.into(),
            client,
            store,
        }
    }

    /// Consumes until all readings of the run are read.
    async fn run(mut self, readings: usize) {
        let collection = self.client.database("shop").collection("trucks");
        let mut read = 0;
        while read < readings {
            for (reader, at) in &mut self.partitions {
                let wait = Duration::from_millis(20);
                let mut fetched = reader.fetch(*at, 1 << 20, wait).await.unwrap();
                let mut documents = Vec::new();
                while let Some(part) = fetched.records.next_part() {
                    for record in part.records() {
                        read += 1;
                        let reading = decode(record.to_buf().value.unwrap().as_ref());
                        documents.extend((self.store)(reading));
                    }
                    *at = part.next_offset;
                }
                if !documents.is_empty() {
                    collection.insert_many(documents).await.unwrap();
                }
            }
        }
    }
}

fn decode(payload: &[u8]) -> Reading {
    let fields = exact_document(payload).unwrap();
    let fields = Document::try_from(fields).unwrap();
    let number = |name| match fields.get(name) {
        Some(Bson::Int32(number)) => i64::from(*number),
        Some(Bson::Int64(number)) => *number,
        other => panic!("{other:?}"),
    };
    Reading {
        vehicle: number("convoy_vehicle"),
        sequence: number("convoy_sequence"),
        fields,
    }
}

/// Starts a run without a command and waits until its consumer may start.
fn start(place: &Place, options: &str) -> Child {
    let files = "--write-env run.env --ready-file ready --database shop";
    let mut child = place.start(&format!("{RUN} {files} {options}"));
    let mut stderr = BufReader::new(child.stderr.as_mut().unwrap());
    let mut said = String::new();
    while !said.contains("start your consumer now") {
        assert!(stderr.read_line(&mut said).unwrap() > 0, "{said}");
    }
    assert!(place.path("ready").exists());
    child
}

/// Waits for the end of a run. Returns its exit code and its report.
fn ended(mut child: Child) -> (Option<i32>, Value) {
    let (mut report, mut stderr) = (String::new(), String::new());
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_to_string(&mut report)
        .unwrap();
    child
        .stderr
        .as_mut()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    let status = child.wait().unwrap();
    let report: Value = serde_json::from_str(&report).unwrap_or_else(|_| panic!("{stderr}"));
    let errors: Vec<String> = published_schema()
        .iter_errors(&report)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert_eq!(errors, Vec::<String>::new());
    (status.code(), report)
}

/// Runs a consumer beside a run that audits its collection.
fn beside(options: &str, store: impl FnMut(Reading) -> Vec<Document>) -> (Option<i32>, Value) {
    beside_with("trucks", options, store)
}

/// Runs a consumer beside a run that audits a collection.
fn beside_with(
    collection: &str,
    options: &str,
    store: impl FnMut(Reading) -> Vec<Document>,
) -> (Option<i32>, Value) {
    let place = Place::with_rows();
    let child = start(&place, &format!("--collection {collection} {options}"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let consuming = async {
        let consumer = TestConsumer::connect(&place, store).await;
        tokio::time::timeout(DEADLINE, consumer.run(200)).await
    };
    runtime.block_on(consuming).expect("every record is read");
    let outcome = ended(child);
    assert!(!place.path("ready").exists(), "the run is over");
    outcome
}

/// Returns the output of the command of the only run.
fn log(place: &Place) -> String {
    fs::read_to_string(place.only_run().join("consumer.log")).unwrap()
}

fn counts(report: &Value) -> [u64; 6] {
    let names = [
        "emitted",
        "stored",
        "missing",
        "duplicated",
        "corrupt",
        "reordered",
    ];
    names.map(|name| report["verdict"][name].as_u64().unwrap())
}

#[test]
fn mistakes_of_a_consumer_are_counted_and_named() {
    let mut held = None;
    let store = |reading: Reading| {
        let Reading {
            vehicle,
            sequence,
            mut fields,
        } = reading;
        if vehicle == 3 && sequence == 20 {
            fields.insert("aa_000", 77);
        }
        // As a connector that keeps the key beside the value.
        let document = doc! { "key": vehicle.to_string(), "value": fields };
        match (vehicle, sequence) {
            (1, 4..=6) => Vec::new(),
            (2, 9) => vec![document.clone(), document],
            (4, 10) => {
                held = Some(document);
                Vec::new()
            }
            (4, 11) => [document].into_iter().chain(held.take()).collect(),
            _ => vec![document],
        }
    };
    let (code, report) = beside("--settle 2s", store);
    assert_eq!(code, Some(1));
    assert_eq!(counts(&report), [200, 197, 3, 1, 1, 1]);
    let external = &report["external_consumer"];
    assert_eq!(external["settled"], "quiet");
    assert_eq!(external["documents"], 198);
    let missing = &external["missing"];
    assert_eq!(
        missing,
        &serde_json::json!([{"vehicle": 1, "first_sequence": 4, "last_sequence": 6}])
    );
    let changed = &external["changed"][0];
    assert_eq!(
        (&changed["vehicle"], &changed["sequence"]),
        (&3.into(), &20.into())
    );
    let difference = changed["difference"].as_str().unwrap();
    assert!(difference.starts_with("`aa_000` is 77"), "{difference}");
}

#[test]
fn documents_that_do_not_name_their_reading_are_explained() {
    type Make = fn(Document) -> Document;
    let kinds: [(Make, &str); 4] = [
        (
            |fields| doc! { "payload": Bson::from(fields).to_string() },
            "`payload` has the payload as text",
        ),
        (
            |fields| doc! { "a": { "b": fields } },
            "the identity is in `a.b`",
        ),
        (
            |fields| doc! { "readings": [fields] },
            "the identity is in `readings.0`",
        ),
        (
            |fields| fields.into_iter().take(2).collect(),
            "but not `convoy_run`",
        ),
    ];
    for (make, expected) in kinds {
        let store = |reading: Reading| vec![make(reading.fields)];
        let (code, report) = beside("--settle 300ms", store);
        assert_eq!(code, Some(1));
        assert_eq!(counts(&report), [200, 0, 200, 0, 0, 0]);
        let external = &report["external_consumer"];
        assert_eq!(external["other_documents"], 200);
        let why = external["unnamed"].as_str().unwrap();
        assert!(why.contains(expected), "{why}");
    }
}

#[test]
fn documents_in_another_collection_are_found() {
    let store = |reading: Reading| vec![reading.fields];
    let (code, report) = beside_with("lorries", "--settle 300ms", store);
    assert_eq!(code, Some(1));
    let external = &report["external_consumer"];
    assert_eq!(external["elsewhere"], serde_json::json!(["shop.trucks"]));
    assert_eq!(external["topic_read"], true);
}

#[test]
fn documents_of_other_types_are_clean_and_end_the_run_at_once() {
    let store = |reading: Reading| {
        let mut document = doc! { "read_by": "a test" };
        for (name, value) in reading.fields {
            let value = match value {
                Bson::Int32(number) if name == "aa_000" => Bson::Double(f64::from(number)),
                Bson::Null => continue,
                value @ Bson::String(_) => value,
                value => Bson::String(value.to_string()),
            };
            document.insert(name, value);
        }
        vec![document]
    };
    let (code, report) = beside("--settle 1h", store);
    assert_eq!(code, Some(0));
    assert_eq!(counts(&report), [200, 200, 0, 0, 0, 0]);
    assert_eq!(report["external_consumer"]["settled"], "all_present");
    let latency = &report["summary"]["stages"]["end_to_end_latency"];
    assert_eq!(latency["count"], 200);
    assert!(latency["p50_us"].as_u64().unwrap() > 0);
    assert_eq!(report["summary"]["stages"]["store_latency"]["count"], 0);
}

#[test]
fn command_is_killed_and_started_again_without_loss() {
    let place = Place::with_rows();
    let convoy = env!("CARGO_BIN_EXE_convoy");
    fs::write(
        place.path("consume.sh"),
        format!("exec {convoy} consume --instance one --progress never --output consumed\n"),
    )
    .unwrap();
    fs::write(
        place.path("scenario.toml"),
        "consumer-command = 'sh consume.sh'\nfaults = 'store-restart@300ms,consumer-crash@700ms'\n",
    )
    .unwrap();
    let run = "--settle 30s --scenario scenario.toml";
    // Slow enough for both faults to happen before the last reading.
    let slow = RUN.replace("--rate 100", "--rate 20");
    let outcome = place.convoy(&format!("{slow} {run}"));
    assert_eq!(outcome.code, 0, "{outcome}");
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(counts(&report)[..5], [200, 200, 0, 0, 0], "{outcome}");
    let external = &report["external_consumer"];
    assert_eq!(external["starts"], 2, "{external}");
    assert_eq!(external["exits"][0]["status"], "signal 9", "{external}");
    assert_eq!(external["exits"][0]["cause"], "fault", "{external}");
    assert_eq!(external["exits"][1]["cause"], "stopped", "{external}");
    let log = log(&place);
    assert!(log.contains("owns"), "{log}");
}

#[test]
fn consumer_that_ends_at_once_is_reported_and_loses_everything() {
    let place = Place::with_rows().file(
        "scenario.toml",
        "consumer-command = 'echo no such topic; exit 3'\n",
    );
    let outcome = place.convoy(&format!("{RUN} --settle 100ms --scenario scenario.toml"));
    assert_eq!(outcome.code, 1, "{outcome}");
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(counts(&report), [200, 0, 200, 0, 0, 0]);
    let external = &report["external_consumer"];
    assert_eq!(external["exits"][0]["status"], "exit code 3");
    assert_eq!(external["exits"][0]["cause"], "itself");
    assert_eq!(log(&place), "no such topic\n");
    assert_eq!(external["exits"][0]["last_line"], "no such topic");
    assert_eq!(external["topic_read"], false);
    for said in ["ended by itself (exit code 3)", "last line: no such topic"] {
        assert!(outcome.stderr.contains(said), "{outcome}");
    }
    let latency = &report["summary"]["stages"]["end_to_end_latency"];
    assert_eq!(latency["p50_us"], Value::Null, "absent, not 0");
}

#[test]
fn program_of_a_shell_that_has_ended_gets_its_time() {
    let place = Place::with_rows().file(
        "scenario.toml",
        "consumer-command = '(trap \"sleep 0.3; echo stored\" TERM; sleep 1000 & wait; wait) & sleep 1000; true'\n",
    );
    let quick = "--settle 100ms --start-timeout 100ms --scenario scenario.toml";
    let outcome = place.convoy(&format!("{RUN} {quick}"));
    assert_eq!(outcome.code, 1, "{outcome}");
    assert_eq!(log(&place).lines().last(), Some("stored"));
}

#[test]
fn interruption_leaves_a_report_and_no_process() {
    let place = Place::with_rows().file(
        "scenario.toml",
        "consumer-command = 'echo $$ > pid; sleep 1000; sleep 1000'\n",
    );
    let mut child = place.start(
        "simulate --backend embedded --dataset rows.csv --consumer external --rate 5 \
         --duration 1h --start-timeout 100ms --progress never --format json \
         --scenario scenario.toml",
    );
    let mut stderr = BufReader::new(child.stderr.as_mut().unwrap());
    let mut said = String::new();
    while !said.contains("emitting now") {
        assert!(stderr.read_line(&mut said).unwrap() > 0, "{said}");
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let (code, report) = ended(child);
    assert_eq!(code, Some(130));
    assert_eq!(report["status"], "interrupted");
    assert_eq!(
        report["external_consumer"]["exits"][0]["status"],
        "signal 15"
    );
    let leader = fs::read_to_string(place.path("pid")).unwrap();
    let leader = Pid::from_raw(leader.trim().parse().unwrap()).unwrap();
    assert!(test_kill_process(leader).is_err(), "it is gone");
}

#[test]
fn options_that_do_not_fit_the_consumer_are_rejected() {
    for (options, message) in [
        (
            "--settle 5s",
            "`--settle` cannot be used: it needs `--consumer external`",
        ),
        (
            "--consumer external --batch-records 5",
            "`--batch-records` cannot be used",
        ),
        (
            "--consumer external --payload-identity=false",
            "needs the identity of each reading",
        ),
        (
            "--consumer external --faults consumer-crash@1s",
            "it needs `--consumer external` with `--consumer-command`",
        ),
        (
            "--consumer external --faults data=wrong-type:0.1",
            "the fault `wrong-type` cannot be injected",
        ),
    ] {
        let outcome = Place::with_rows().convoy(&format!("simulate {options}"));
        assert_eq!(outcome.code, 2, "{outcome}");
        assert!(outcome.stderr.contains(message), "{outcome}");
    }
    let outcome = Place::empty()
        .file("rows.csv", "convoy_run,n\na,1\n")
        .convoy("simulate --backend embedded --dataset rows.csv --consumer external");
    assert_ne!(outcome.code, 0, "{outcome}");
    assert!(
        outcome
            .stderr
            .contains("column `convoy_run` of the dataset"),
        "{outcome}"
    );
    assert!(
        outcome.stderr.contains("--rename convoy_run=NAME"),
        "{outcome}"
    );
}
