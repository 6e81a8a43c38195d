//! Goal: whatever is wrong with the input is told in one clear message, with the right exit code,
//! nothing on stdout, and before anything is started.
//! Method: one table of command lines and files; the whole stderr is compared.

use std::fs;
use std::net::TcpListener;

use crate::place::{Outcome, Place};

/// A run that would end by itself if nothing were wrong.
const SIMULATE: &str = "simulate --backend embedded --records 1 --progress never";

fn refused(outcome: &Outcome, code: i32) -> &str {
    assert_eq!(outcome.code, code, "{outcome}");
    assert_eq!(outcome.stdout, "", "{outcome}");
    outcome.stderr.trim_end()
}

fn dataset(content: impl AsRef<[u8]>) -> String {
    let place = Place::empty().file("rows.csv", content);
    let outcome = place.convoy(&format!("{SIMULATE} --dataset rows.csv"));
    refused(&outcome, 3).to_owned()
}

#[test]
fn a_dataset_that_cannot_be_used_is_told_with_its_place() {
    let missing = Place::empty().convoy(&format!("{SIMULATE} --dataset absent.csv"));
    let told = [
        refused(&missing, 3).to_owned(),
        dataset(""),
        dataset("class,aa_000\n"),
        dataset("class,aa_000\nneg,1\nneg\n"),
        dataset(b"class,aa_000\nneg,\xff\xfe\n"),
        dataset("class,aa_000\nneg,\"1\n"),
    ];
    insta::assert_snapshot!(told.join("\n\n"), @"
    error: failed to open `absent.csv`
      caused by: No such file or directory (os error 2)

    hint: check the path of `--dataset`, or create rows with `convoy dataset generate`

    error: `rows.csv` is empty

    hint: add a header and at least one row, or create rows with `convoy dataset generate`

    error: `rows.csv` has a header, but no rows

    hint: add a header and at least one row, or create rows with `convoy dataset generate`

    error: `rows.csv`, line 3, byte 19: expected 2 fields as in the header, found 1

    hint: check whether the file is truncated, or a field with a comma is not quoted

    error: `rows.csv`, line 2, byte 17: the row is not valid UTF-8

    hint: convert the file to UTF-8, and check whether it is truncated

    error: `rows.csv`, line 2, byte 13: a quoted field is not closed before the end of the file

    hint: check whether the file is truncated, or a quote is missing
    ");
}

#[test]
fn a_wrong_value_is_told_with_its_flag() {
    let place = Place::with_rows();
    let told = [
        "--vehicles 0",
        "--rate -1",
        "--arrival sometimes",
        "--compression rar",
    ]
    .map(|flag| refused(&place.convoy(&format!("{SIMULATE} {flag}")), 2).to_owned());
    insta::assert_snapshot!(told.join("\n\n"), @"
    error: invalid value '0' for '--vehicles <N>': must be at least 1

    For more information, try '--help'.

    error: invalid value '-1' for '--rate <RATE>': rate `-1` is not above zero

    For more information, try '--help'.

    error: invalid value 'sometimes' for '--arrival <SHAPE>': expected one of `uniform`, `poisson`, `burst`, `ramp`

    For more information, try '--help'.

    error: invalid value 'rar' for '--compression <CODEC>': expected one of `none`, `gzip`, `lz4`, `snappy`, `zstd`

    For more information, try '--help'.
    ");
}

#[test]
fn a_port_in_use_is_told_with_its_address() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let place = Place::with_rows();
    let told = ["--broker-port", "--store-port"].map(|flag| {
        let line = format!("{SIMULATE} --dataset rows.csv {flag} {port}");
        refused(&place.convoy(&line), 3).replace(&port.to_string(), "[PORT]")
    });
    insta::assert_snapshot!(told.join("\n\n"), @"
    provisioning
    error: failed to start the embedded broker
      caused by: failed to listen on `127.0.0.1:[PORT]`
      caused by: Address already in use (os error 98)

    hint: the port is in use: stop what holds it, or name another one (0 takes a free one)

    provisioning
    error: failed to start the document store
      caused by: failed to listen on `127.0.0.1:[PORT]`
      caused by: Address already in use (os error 98)

    hint: the port is in use: stop what holds it, or name another one (0 takes a free one)
    ");
}

#[test]
fn an_unwritable_output_directory_is_told_before_anything_starts() {
    let place = Place::with_rows().file("taken", "a file is no directory");
    let outcome = place.convoy(&format!("{SIMULATE} --dataset rows.csv --output taken"));
    insta::assert_snapshot!(refused(&outcome, 3), @"
    error: cannot write to the output directory `taken/[RUN]`
      caused by: Not a directory (os error 20)

    hint: name a directory that you may write to, with free space, by `--output DIR`
    ");
}

#[test]
fn an_unwritable_log_directory_costs_only_the_log() {
    let place = Place::with_rows().file("logs", "a file is no directory");
    let outcome = place.convoy(&format!("{SIMULATE} --dataset rows.csv"));
    assert_eq!(outcome.code, 0, "{outcome}");
    assert!(
        outcome
            .stderr
            .contains("warning: cannot write the log file"),
        "{outcome}"
    );
}

#[test]
fn a_refused_run_leaves_nothing_behind() {
    let place = Place::empty();
    let outcome = place.convoy(&format!("{SIMULATE} --dataset absent.csv"));
    assert_eq!(outcome.code, 3, "{outcome}");
    let left: Vec<_> = fs::read_dir(place.path("."))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name != "logs")
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
