//! Goal: bad input gives one clear error and the right exit code, nothing on stdout, before any
//! server starts.
//! Method: tables of command lines and files; the whole stderr is compared.

use std::fs;
use std::net::TcpListener;

use crate::place::{Outcome, Place};

/// A run that would end by itself with correct input.
const SIMULATE: &str = "simulate --backend embedded --records 1 --progress never";

fn rejected(outcome: &Outcome, code: i32) -> &str {
    assert_eq!(outcome.code, code, "{outcome}");
    assert_eq!(outcome.stdout, "", "{outcome}");
    outcome.stderr.trim_end()
}

fn dataset(content: impl AsRef<[u8]>) -> String {
    let place = Place::empty().file("rows.csv", content);
    let outcome = place.convoy(&format!("{SIMULATE} --dataset rows.csv"));
    rejected(&outcome, 3).to_owned()
}

#[test]
fn dataset_errors_name_file_line_and_byte() {
    let missing = Place::empty().convoy(&format!("{SIMULATE} --dataset absent.csv"));
    let errors = [
        rejected(&missing, 3).to_owned(),
        dataset(""),
        dataset("class,aa_000\n"),
        dataset("class,aa_000\nneg,1\nneg\n"),
        dataset(b"class,aa_000\nneg,\xff\xfe\n"),
        dataset("class,aa_000\nneg,\"1\n"),
    ];
    insta::assert_snapshot!(errors.join("\n\n"), @"
    error: failed to open `absent.csv`
      caused by: No such file or directory (os error 2)

    hint: check the path of `--dataset`, or create rows with `convoy dataset generate`

    error: `rows.csv` is empty

    hint: add a header and at least one row, or create rows with `convoy dataset generate`

    error: `rows.csv` has a header, but no rows

    hint: add a header and at least one row, or create rows with `convoy dataset generate`

    error: `rows.csv`, line 3, byte 19: expected 2 fields as in the header, found 1

    hint: check whether the row is incomplete or a footer, or pass `--on-bad-row skip`

    error: `rows.csv`, line 2, byte 17: the row is not valid UTF-8

    hint: pass the encoding, such as `--file-encoding latin1`, or `--on-bad-row skip`

    error: `rows.csv`, line 2, byte 13: a quoted field is not closed before the end of the file

    hint: check whether the file is truncated or a quote is missing, or pass `--on-bad-row skip`
    ");
}

#[test]
fn invalid_value_is_reported_with_its_flag() {
    let place = Place::with_rows();
    let errors = [
        "--vehicles 0",
        "--rate -1",
        "--arrival sometimes",
        "--compression rar",
    ]
    .map(|flag| rejected(&place.convoy(&format!("{SIMULATE} {flag}")), 2).to_owned());
    insta::assert_snapshot!(errors.join("\n\n"), @"
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
fn port_in_use_is_reported_with_its_address() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let place = Place::with_rows();
    let errors = ["--broker-port", "--store-port"].map(|flag| {
        let line = format!("{SIMULATE} --dataset rows.csv {flag} {port}");
        let outcome = place.convoy(&line);
        let mut text = rejected(&outcome, 3).replace(&port.to_string(), "[PORT]");
        // What was assumed about the rows comes first.
        text.split_off(text.find("provisioning").unwrap())
    });
    insta::assert_snapshot!(errors.join("\n\n"), @"
    provisioning
    error: failed to start the Kafka server
      caused by: failed to listen on `127.0.0.1:[PORT]`
      caused by: Address already in use (os error 98)

    hint: stop the program that uses the port, or choose another port (0 takes a free one)

    provisioning
    error: failed to start the document store
      caused by: failed to listen on `127.0.0.1:[PORT]`
      caused by: Address already in use (os error 98)

    hint: stop the program that uses the port, or choose another port (0 takes a free one)
    ");
}

#[test]
fn unwritable_output_directory_is_reported_before_servers_start() {
    let place = Place::with_rows().file("taken", "not a directory");
    let outcome = place.convoy(&format!("{SIMULATE} --dataset rows.csv --output taken"));
    insta::assert_snapshot!(rejected(&outcome, 3), @"
    error: cannot write to the output directory `taken/[RUN]`
      caused by: Not a directory (os error 20)

    hint: pass a writable directory with free space: `--output DIR`
    ");
}

#[test]
fn unwritable_log_is_a_warning() {
    let place = Place::with_rows().file("runs/taken/run.log/file", "the log is a directory");
    let outcome = place.convoy(&format!("{SIMULATE} --dataset rows.csv --run-id taken"));
    assert_eq!(outcome.code, 0, "{outcome}");
    assert!(
        outcome
            .stderr
            .contains("warning: cannot write the log file"),
        "{outcome}"
    );
}

#[test]
fn rejected_run_leaves_no_files() {
    let place = Place::empty();
    let outcome = place.convoy(&format!("{SIMULATE} --dataset absent.csv"));
    assert_eq!(outcome.code, 3, "{outcome}");
    let left: Vec<_> = fs::read_dir(place.path("."))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
