//! Goal: datasets give the same rows from memory and from files, and errors have a position.
//! Method: files on disk, opened with a memory limit of 256 MB or zero.

use std::fs;

use proptest::prelude::*;

use crate::dataset::open::*;
use crate::dataset::schema::ColumnType;

struct Written {
    folder: tempfile::TempDir,
}

fn write(files: &[(&str, &[u8])]) -> Written {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let topic = folder.path().join("topic");
    fs::create_dir(&topic).expect("creates a folder");
    for (name, bytes) in files {
        fs::write(topic.join(name), bytes).expect("writes a file");
    }
    Written { folder }
}

impl Written {
    fn open_within(&self, memory: u64) -> Result<Dataset, Error> {
        let path = self.folder.path().join("topic");
        let options = ReadOptions::default();
        let mut datasets = Dataset::read(&path, &options, Keep::Rows(memory), &mut |_| ())?;
        assert_eq!(datasets.len(), 1);
        Ok(datasets.remove(0))
    }

    fn open(&self) -> Dataset {
        self.open_within(MEMORY_BYTES).expect("the dataset is fine")
    }
}

fn rows(dataset: &Dataset, order: impl Iterator<Item = u64>) -> Vec<(Vec<String>, u64)> {
    let mut buffer = RowBuffer::default();
    order
        .map(|index| {
            let row = dataset.row(index, &mut buffer).expect("the row is there");
            (row.fields().map(str::to_owned).collect(), row.line())
        })
        .collect()
}

const MIXED: &[u8] = b"class,count,share,note,void\nneg,1,0.5,007,na\npos,na,2,\"a, b\",\n\n\
                       neg,-3,1e3,\"two\nlines\",na\n";

#[test]
fn types_missing_values_and_labels_are_inferred_from_every_row() {
    let dataset = write(&[("a.csv", MIXED)]).open();
    let columns: Vec<_> = dataset
        .schema()
        .columns
        .iter()
        .map(|column| (column.name.as_str(), column.kind, column.nullable))
        .collect();
    assert_eq!(
        columns,
        [
            ("class", ColumnType::Text, false),
            ("count", ColumnType::Integer, true),
            ("share", ColumnType::Decimal, false),
            ("note", ColumnType::Text, false),
            ("void", ColumnType::Text, true),
        ]
    );
    assert_eq!(dataset.topic(), "topic");
    assert_eq!(dataset.rows(), 3);
    assert_eq!(dataset.label_column(), Some(0));
    let labels: Vec<_> = dataset
        .labels()
        .iter()
        .map(|(k, v)| (k.as_str(), *v))
        .collect();
    assert_eq!(labels, [("neg", 2), ("pos", 1)]);
}

#[test]
fn rows_have_fields_and_a_place() {
    let dataset = write(&[("a.csv", MIXED)]).open();
    let mut buffer = RowBuffer::default();
    let row = dataset.row(1, &mut buffer).expect("the row is there");
    assert_eq!(row.field(3), "a, b");
    assert_eq!(row.field(5), "");
    assert_eq!(row.line(), 3);
    assert!(row.file().ends_with("topic/a.csv"));
    assert!(matches!(
        dataset.row(3, &mut RowBuffer::default()),
        Err(Error::NoSuchRow { index: 3, rows: 3 })
    ));
}

#[test]
fn class_with_many_values_is_not_a_label() {
    let mut text = "class\n".to_owned();
    text.extend((0..65).map(|row| format!("c{row}\n")));
    let dataset = write(&[("a.csv", text.as_bytes())]).open();
    assert_eq!(dataset.label_column(), None);
    assert!(dataset.labels().is_empty());
}

fn labels(text: &str, label: Option<&str>) -> Result<Vec<(String, u64)>, Error> {
    let written = write(&[("a.csv", text.as_bytes())]);
    let options = ReadOptions {
        label: label.map(str::to_owned),
        ..ReadOptions::default()
    };
    let dataset = Dataset::open(&written.folder.path().join("topic"), &options)?.remove(0);
    let labels = dataset.labels().iter();
    let labels: Vec<_> = labels.map(|(label, rows)| (label.clone(), *rows)).collect();
    if dataset.label_column().is_some() {
        let rows = labels.iter().map(|(_, rows)| rows).sum::<u64>();
        assert_eq!(rows, dataset.rows(), "labels add up");
    }
    Ok(labels)
}

#[test]
fn labels_add_up_and_are_as_in_documents() {
    let counts = |text: &str, label| {
        let labels = labels(text, label).unwrap();
        let labels: Vec<_> = labels
            .iter()
            .map(|(label, rows)| format!("{label}:{rows}"))
            .collect();
        labels.join(" ")
    };
    assert_eq!(
        counts("class,a\nneg,1\n,2\nna,3\n", None),
        "(missing):2 neg:1"
    );
    assert_eq!(counts("class\n0\n1\n1\n", None), "0:1 1:2");
    assert_eq!(
        counts("a,ok\n1,True\n2,TRUE\n3,false\n", Some("ok")),
        "false:1 true:2"
    );
    assert_eq!(counts("a,b.c\n1,x\n2,x\n", Some("b.c")), "x:2");
    assert_eq!(counts("a,b.c\n1,x\n2,x\n", Some("b_c")), "x:2");
    assert_eq!(counts("class,b\nx,1\n", Some("b")), "1:1");
    assert_eq!(counts("a\n1\n", None), "");
}

#[test]
fn label_and_new_names_must_be_of_the_file() {
    let error = labels("speed\n1\n", Some("sped")).unwrap_err();
    let expected = "has no column `sped`, which `--label` names; did you mean `speed`?";
    assert!(error.to_string().ends_with(expected), "{error}");
    let mut text = "label\n".to_owned();
    text.extend((0..65).map(|row| format!("c{row}\n")));
    let error = labels(&text, Some("label")).unwrap_err();
    assert!(matches!(error, Error::TooManyLabels { .. }), "{error}");
    let rename = |pair: &str| {
        let written = write(&[("a.csv", b"speed,b\n1,2\n")]);
        let options = ReadOptions {
            rename: vec![pair.parse().unwrap()],
            ..ReadOptions::default()
        };
        Dataset::open(&written.folder.path().join("topic"), &options)
            .unwrap_err()
            .to_string()
    };
    for (pair, expected) in [
        (
            "sped=v",
            "has no column `sped`, which `--rename sped=v` names; did you mean `speed`?",
        ),
        (
            "speed=b",
            "`--rename speed=b` gives the name of column 2 in ",
        ),
        (
            "speed=_id",
            "gives a name that no field can have: convoy writes a field of this name",
        ),
        (
            "speed=a.b",
            "gives a name that no field can have: MongoDB reads a dot as a path",
        ),
    ] {
        assert!(rename(pair).contains(expected), "{}", rename(pair));
    }
}

#[test]
fn hash_depends_on_content_only() {
    let hash = |files: &[(&str, &[u8])]| write(files).open().hash();
    let plain = hash(&[("a.csv", b"a,b\n1,x\n2,y\n")]);
    assert_eq!(hash(&[("a.csv", b"\"a\",b\r\n1,\"x\"\r\n\r\n2,y")]), plain);
    assert_eq!(
        hash(&[("a.csv", b"a,b\n1,x\n"), ("b.csv", b"a,b\n2,y\n")]),
        plain
    );
    assert_ne!(hash(&[("a.csv", b"a,b\n2,y\n1,x\n")]), plain);
    assert_ne!(hash(&[("a.csv", b"a,c\n1,x\n2,y\n")]), plain);
    assert_ne!(
        hash(&[("a.csv", b"a,b\n\"1,2\",3\n")]),
        hash(&[("a.csv", b"a,b\n1,\"2,3\"\n")])
    );
}

#[test]
fn preamble_is_skipped_and_counted_in_line_numbers() {
    let text =
        b"This is part of some data.\n\nIt is free, or\nnearly so\nclass,aa_000\nneg,1\npos,2\n";
    let dataset = write(&[("a.csv", text)]).open();
    assert_eq!(dataset.rows(), 2);
    assert_eq!(rows(&dataset, 0..2)[1].1, 7);
}

#[test]
fn files_of_a_topic_must_have_the_same_columns() {
    let wrong = |second: &[u8]| {
        let written = write(&[("a.csv", b"a,b\n1,2\n"), ("b.csv", second)]);
        written.open_within(0).expect_err("the files differ")
    };
    assert!(matches!(
        wrong(b"a,c\n1,2\n"),
        Error::HeadersDiffer { column: 2, .. }
    ));
    assert!(matches!(
        wrong(b"a\n1\n"),
        Error::HeadersDiffer { column: 2, .. }
    ));
    assert!(matches!(wrong(b"a,b\n"), Error::HeaderOnly { .. }));
    assert!(matches!(wrong(b""), Error::Empty { .. }));
}

#[test]
fn rows_from_files_equal_rows_from_memory() {
    let mut text = "\u{feff}id,note\r\n".to_owned();
    for row in 0..3_000 {
        let note = match row % 7 {
            0 => "\"two\r\nlines\"".to_owned(),
            1 => "\"a, \"\"b\"\"\"".to_owned(),
            2 => "é\r\n".to_owned(),
            _ => "x".repeat(row % 50),
        };
        text.extend([row.to_string().as_str(), ",", &note, "\r\n"]);
    }
    let half = text.as_bytes();
    let written = write(&[("a.csv", half), ("b.csv", half)]);
    let (memory, file) = (written.open(), written.open_within(0).expect("it is fine"));
    assert_eq!(memory.rows(), 6_000);
    assert_eq!((file.rows(), file.hash()), (memory.rows(), memory.hash()));
    assert_eq!(rows(&file, 0..6_000), rows(&memory, 0..6_000));
    let jumps = || (0..500).map(|n| n * 7_919 % 6_000);
    assert_eq!(rows(&file, jumps()), rows(&memory, jumps()));
}

#[test]
fn buffer_can_be_shared_by_datasets() {
    let one = write(&[("a.csv", b"a\n1\n")]);
    let two = write(&[("a.csv", b"a\n2\n")]);
    let (one, two) = (one.open_within(0), two.open_within(0));
    let mut buffer = RowBuffer::default();
    for (dataset, expected) in [(&one, "1"), (&two, "2"), (&one, "1")] {
        let dataset = dataset.as_ref().expect("it is fine");
        let row = dataset.row(0, &mut buffer).expect("the row is there");
        assert_eq!(row.field(0), expected);
    }
}

#[test]
fn file_that_shrinks_after_opening_is_an_error() {
    let written = write(&[("a.csv", b"a,b\n1,2\n3,4\n")]);
    let dataset = written.open_within(0).expect("it is fine");
    fs::write(written.folder.path().join("topic/a.csv"), b"a,b\n1").expect("writes");
    let error = dataset
        .row(1, &mut RowBuffer::default())
        .expect_err("it is gone");
    assert!(matches!(error, Error::Changed { .. }), "{error}");
    assert!(!error.hint().is_empty());
}

#[test]
fn a_dataset_cut_at_any_byte_opens_or_says_where_it_is_wrong() {
    for cut in 0..MIXED.len() {
        for memory in [0, MEMORY_BYTES] {
            match write(&[("a.csv", &MIXED[..cut])]).open_within(memory) {
                Ok(dataset) => assert!(dataset.rows() <= 3),
                Err(error) => assert!(error.to_string().contains("a.csv"), "{error}"),
            }
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_open_or_fail_the_same_way_from_memory_and_file(bytes in prop::collection::vec(
        prop::sample::select(b"a1,\"\n\r\xc3\xa9.- ".to_vec()), 0..200,
    )) {
        let written = write(&[("a.csv", &bytes)]);
        match (written.open_within(0), written.open_within(MEMORY_BYTES)) {
            (Ok(file), Ok(memory)) => {
                prop_assert_eq!(rows(&file, 0..file.rows()), rows(&memory, 0..memory.rows()));
            }
            (Err(file), Err(memory)) => prop_assert_eq!(file.to_string(), memory.to_string()),
            (file, memory) => prop_assert!(false, "{file:?} and {memory:?}"),
        }
    }
}

#[test]
fn built_in_rows_equal_the_sample_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_data");
    let file = Dataset::open(&folder, &ReadOptions::default())
        .unwrap()
        .remove(0);
    let built_in = Dataset::shipped(&ReadOptions::default()).unwrap();
    let summary = |it: &Dataset| (it.topic().to_owned(), it.rows(), it.hash());
    assert_eq!(summary(&built_in), summary(&file));
    assert!(file.files()[0].ends_with(&built_in.files()[0]));
}
