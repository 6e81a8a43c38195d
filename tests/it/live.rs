//! Goal: a run can be watched while it lasts, and watching does not keep it.
//! Method: the executable with `--web`, asked by plain HTTP.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Child;
use std::time::Duration;

use serde_json::Value;

use crate::place::Place;

/// A run that takes some seconds.
const RUN: &str = "simulate --backend embedded --dataset rows.csv --vehicles 7 --rate 10 \
                   --warmup 1s --duration 3s --progress never --format json --web=0";

/// In the first event after a second of this run.
const MEASURED: &str = "data-vehicles=\\\"7\\\"";

const DEADLINE: Duration = Duration::from_secs(60);

/// A run with a live page.
struct Watched {
    child: Child,
    /// Host and port of the page.
    host: String,
    stderr: BufReader<std::process::ChildStderr>,
}

impl Watched {
    fn start(place: &Place, line: &str) -> Self {
        let mut child = place.start(line);
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let host = loop {
            let before = said.len();
            assert!(stderr.read_line(&mut said).unwrap() > 0, "{said}");
            if let Some(url) = said[before..].trim().strip_prefix("live page: http://") {
                break url.trim_end_matches('/').to_owned();
            }
        };
        Self {
            child,
            host,
            stderr,
        }
    }

    fn connect(&self, path: &str, headers: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let host = &self.host;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}Connection: close\r\n\r\n"
        )
        .unwrap();
        stream
    }

    fn get(&self, path: &str) -> String {
        let mut response = String::new();
        let mut stream = self.connect(path, "");
        stream.read_to_string(&mut response).unwrap();
        response
    }

    /// Waits for the end and returns the report.
    fn report(mut self) -> Value {
        let mut said = String::new();
        let mut stdout = Vec::new();
        let mut pipe = self.child.stdout.take().unwrap();
        let reading = std::thread::spawn(move || {
            pipe.read_to_end(&mut stdout).unwrap();
            stdout
        });
        self.stderr.read_to_string(&mut said).unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{said}");
        serde_json::from_slice(&reading.join().unwrap()).unwrap()
    }
}

/// Reads a stream up to a text.
fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut read = Vec::new();
    let mut chunk = [0; 4_096];
    loop {
        let length = stream.read(&mut chunk).unwrap();
        let so_far = String::from_utf8_lossy(&read);
        assert!(length > 0, "closed without `{text}`: {so_far}");
        read.extend_from_slice(&chunk[..length]);
        if String::from_utf8_lossy(&read).contains(text) {
            return String::from_utf8(read).unwrap();
        }
    }
}

#[test]
fn live_page_changes_each_second_and_ends_with_the_run() {
    let place = Place::with_rows();
    let run = Watched::start(&place, RUN);
    let mut events = run.connect("/events", "");
    read_until(&mut events, MEASURED);
    let page = run.get("/");
    for part in [
        "id=\"state\"",
        "id=\"wall\"",
        "id=\"charts\"",
        "data-vehicles=\"7\"",
    ] {
        assert!(page.contains(part), "no {part}: {page}");
    }
    while !run.get("/vehicle/3").contains("&quot;vehicle&quot;: 3") {
        read_until(&mut events, "event: second\n");
    }
    // The stream of events is still open when the run ends.
    let report = run.report();
    let last = read_until(&mut events, "event: end\n");
    assert!(last.contains("event: second"), "{last}");
    assert!(report["cpu"]["display_us"].is_number(), "{}", report["cpu"]);
    let partitions = report["partitions"].as_array().unwrap();
    let stored: u64 = partitions
        .iter()
        .filter_map(|it| it["stored"].as_u64())
        .sum();
    assert_eq!(report["counters"]["stored"], stored);
}

#[test]
fn metrics_follow_the_conventions_of_prometheus() {
    let place = Place::with_rows();
    let run = Watched::start(&place, RUN);
    let mut events = run.connect("/events", "");
    read_until(&mut events, MEASURED);
    let response = run.get("/metrics");
    assert!(response.contains("content-type: text/plain; version=0.0.4"));
    let (_, metrics) = response.split_once("\r\n\r\n").unwrap();
    let mut typed = BTreeSet::new();
    for line in metrics.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(typed.insert(name.to_owned()), "{name} has two types");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().unwrap();
            let ends = ["_bucket", "_sum", "_count"];
            let base = ends.iter().find_map(|end| name.strip_suffix(end));
            let known = typed.contains(name) || base.is_some_and(|base| typed.contains(base));
            assert!(known, "{name} has no type");
            let value = line.rsplit(' ').next().unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
    for name in [
        "convoy_stored_total",
        "convoy_backlog_records",
        "convoy_stage_duration_seconds",
        "convoy_partition_stored_total",
    ] {
        assert!(typed.contains(name), "no {name}: {metrics}");
    }
    run.report();
}

#[test]
fn run_without_a_page_has_no_display_in_its_report() {
    let outcome = Place::with_rows().convoy(
        "simulate --backend embedded --dataset rows.csv --records 5 --rate 50 --warmup 0s \
         --progress never --format json",
    );
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["cpu"].get("display_us"), None);
    assert!(!outcome.stderr.contains("live page"), "{outcome}");
}

#[test]
fn address_that_cannot_be_served_is_an_error() {
    let place = Place::with_rows();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let line = format!("simulate --backend embedded --dataset rows.csv --web={address}");
    let outcome = place.convoy(&line);
    assert_eq!(outcome.code, 3, "{outcome}");
    assert!(
        outcome
            .stderr
            .contains("cannot serve the live page of `--web`")
    );
    assert!(outcome.stderr.contains("`--web=0`"), "{outcome}");
    let outcome = place.convoy("simulate --web=http://host");
    assert_eq!(outcome.code, 2, "{outcome}");
    assert!(
        outcome.stderr.contains("expected `HOST:PORT` or `PORT`"),
        "{outcome}"
    );
}

#[test]
fn page_of_up_shows_topics_collections_and_requests() {
    let place = Place::empty().file("items.json", "{\"a\": 1}\n{\"a\": 2}\n");
    let mut up = Watched::start(
        &place,
        "up --anonymous --broker-port 0 --registry-port 0 --store-port 0 --topic orders:3 \
         --load items.json:shop.items --web=0 --timeout 4s",
    );
    let mut events = up.connect("/events", "");
    read_until(&mut events, "shop.items");
    let page = up.get("/");
    for part in ["orders", "shop.items", "broker", "Groups"] {
        assert!(page.contains(part), "no {part}: {page}");
    }
    let metrics = up.get("/metrics");
    for sample in [
        "convoy_topic_records{topic=\"orders\"} 0",
        "convoy_collection_documents{collection=\"shop.items\"} 2",
    ] {
        assert!(metrics.contains(sample), "no {sample}: {metrics}");
    }
    read_until(&mut events, "event: end\n");
    assert_eq!(up.child.wait().unwrap().code(), Some(0));
}
