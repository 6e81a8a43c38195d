//! Goal: files as people have them give the right rows, or an error whose hint has the way on.
//! Method: a table of files of each kind, with the rows as text, or parts of the error and the hint.

use std::fs;
use std::io::Write as _;

use crate::dataset::assumptions::FileAssumptions;
use crate::dataset::open::*;
use crate::dataset::options::OnBadRow;

/// What a file must give.
enum Expected {
    /// Column names, then the rows; fields separated by `|`.
    Rows(&'static [&'static str]),
    /// Part of the error, and part of its hint.
    Refused(&'static str, &'static str),
}

use Expected::{Refused, Rows};

struct Case {
    /// What the file is like, and why it is expected to be so.
    kind: &'static str,
    text: &'static [u8],
    options: fn(&mut ReadOptions),
    expected: Expected,
}

fn plain(_: &mut ReadOptions) {}

const fn case(kind: &'static str, text: &'static [u8], expected: Expected) -> Case {
    Case {
        kind,
        text,
        options: plain,
        expected,
    }
}

const fn with(
    kind: &'static str,
    text: &'static [u8],
    options: fn(&mut ReadOptions),
    expected: Expected,
) -> Case {
    Case {
        kind,
        text,
        options,
        expected,
    }
}

fn skip_bad(options: &mut ReadOptions) {
    options.on_bad_row = OnBadRow::Skip;
}

const AB: &[&str] = &["a|b", "1|2", "3|4"];

/// Delimiters: the one that splits header and rows equally.
const DELIMITERS: &[Case] = &[
    case("semicolons", b"a;b\n1;2\n3;4\n", Rows(AB)),
    case("tabs", b"a\tb\n1\t2\n3\t4\n", Rows(AB)),
    case("pipes", b"a|b\n1|2\n3|4\n", Rows(AB)),
    case("`sep=` line", b"sep=;\na;b\n1;2\n3;4\n", Rows(AB)),
    case(
        "`sep=` line with CRLF and quotes",
        b"\"sep=,\"\r\na,b\r\n1,2\r\n3,4\r\n",
        Rows(AB),
    ),
    case(
        "semicolons with decimal commas: a comma is not in the header",
        b"t;v\n1,5;2,25\n2,5;3\n",
        Rows(&["t|v", "1,5|2,25", "2,5|3"]),
    ),
    case(
        "blanks between numbers: one column or several",
        b"a b\n1 2\n3 4\n",
        Refused("blanks between its columns", "--delimiter ' '"),
    ),
    with(
        "blanks by option",
        b"a b\n1 2\n3 4\n",
        |it| it.delimiter = " ".parse().ok(),
        Rows(AB),
    ),
    with(
        "one column with blanks by option",
        b"a b\n1 2\n",
        |it| it.delimiter = ",".parse().ok(),
        Rows(&["a b", "1 2"]),
    ),
    case(
        "one column of words",
        b"first last\nAda Lovelace\n",
        Rows(&["first last", "Ada Lovelace"]),
    ),
    case(
        "semicolons in a field of a comma file",
        b"a,b\n1,x;y\n2,z\n",
        Rows(&["a|b", "1|x;y", "2|z"]),
    ),
    case(
        "two delimiters fit every row: no evidence for one",
        b"a,b;c\n1,2;3\n",
        Refused("by `,` and by `;`", "--delimiter"),
    ),
    with(
        "two delimiters fit, one is given",
        b"a,b;c\n1,2;3\n",
        |it| it.delimiter = ";".parse().ok(),
        Rows(&["a,b|c", "1,2|3"]),
    ),
    with(
        "another delimiter by option",
        b"a^b\n1^2\n3^4\n",
        |it| it.delimiter = "^".parse().ok(),
        Rows(AB),
    ),
    case(
        "one column",
        b"speed\n50\n51\n\n52\n",
        Rows(&["speed", "50", "51", "52"]),
    ),
    case(
        "one column whose name has a blank",
        b"Engine speed\n50\n",
        Rows(&["Engine speed", "50"]),
    ),
    case(
        "trailing delimiter everywhere",
        b"a,b,\n1,2,\n3,4,\n",
        Rows(AB),
    ),
    case(
        "trailing delimiter in rows only",
        b"a;b\n1;2;\n3;4;\n",
        Rows(AB),
    ),
    case(
        "trailing delimiter in the header only",
        b"a,b,\n1,2\n3,4\n",
        Rows(AB),
    ),
    case(
        "value below a trailing delimiter of the header: a column that gets a name",
        b"a,b,\n1,2,3\n",
        Rows(&["a|b|column_3", "1|2|3"]),
    ),
    case(
        "value after a trailing delimiter, later",
        b"a,b,\n1,2,\n3,4,5\n6,7,\n",
        Rows(&["a|b|column_3", "1|2|", "3|4|5", "6|7|"]),
    ),
];

/// Blanks, quotes and line ends.
const TEXTS: &[Case] = &[
    case("blanks after commas", b"a, b\n1, 2\n3, 4\n", Rows(AB)),
    case(
        "blanks around fields",
        b" a ,b \n 1 , 2 \n3\t,4 \n",
        Rows(AB),
    ),
    case(
        "blanks outside quotes",
        b"a, b\n\"1\" , \"2\"\n 3 ,\"4\" \n",
        Rows(AB),
    ),
    case(
        "blanks inside quotes are meant",
        b"a,b\n\" x \",2\n",
        Rows(&["a|b", " x |2"]),
    ),
    case(
        "delimiter in quotes after a blank",
        b"a, b\n1, \"x, y\"\n",
        Rows(&["a|b", "1|x, y"]),
    ),
    case(
        "blank lines, also of blanks",
        b"\n\na,b\n1,2\n  \t \n\r\n3,4\n\n",
        Rows(AB),
    ),
    case(
        "byte order mark and CRLF",
        b"\xef\xbb\xbfa,b\r\n1,2\r\n3,4\r\n",
        Rows(AB),
    ),
    case(
        "byte order mark before a quote",
        b"\xef\xbb\xbf\"a\",\"b\"\n1,2\n3,4\n",
        Rows(AB),
    ),
    case("carriage returns alone", b"a,b\r1,2\r3,4\r", Rows(AB)),
    case(
        "carriage returns alone, no end",
        b"a,b\r\"1\",2\r3,4",
        Rows(AB),
    ),
    case(
        "line ends in quotes",
        b"a,b\n\"x\r\ny\",2\n3,4\n",
        Rows(&["a|b", "x\r\ny|2", "3|4"]),
    ),
    case(
        "quote inside a field is text",
        b"a,b\n1,5\" pipe\n",
        Rows(&["a|b", "1|5\" pipe"]),
    ),
    case(
        "NUL inside a field is text",
        b"a,b\n1,x\0y\n",
        Rows(&["a|b", "1|x\0y"]),
    ),
    case(
        "row of delimiters is a row of missing values",
        b"a,b\n1,2\n,\n",
        Rows(&["a|b", "1|2", "|"]),
    ),
];

/// Encodings.
const ENCODINGS: &[Case] = &[
    case(
        "UTF-16 by its mark",
        b"\xff\xfea\0,\0b\0\n\x001\0,\0\xe4\0\n\0",
        Rows(&["a|b", "1|\u{e4}"]),
    ),
    case(
        "big-endian UTF-16 by its mark",
        b"\xfe\xff\0a\0,\0b\0\r\0\n\x001\0,\x002\0\r\0\n\x003\0,\x004",
        Rows(AB),
    ),
    case(
        "UTF-16 without a mark",
        b"a\0,\0b\0\n\x001\0,\x002\0\n\0",
        Refused("looks like UTF-16LE", "--file-encoding utf-16le"),
    ),
    with(
        "UTF-16 without a mark by option",
        b"a\0,\0b\0\n\x001\0,\x002\0\n\x003\0,\x004\0",
        |it| it.encoding = "utf-16le".parse().ok(),
        Rows(AB),
    ),
    case(
        "Latin-1: the bytes do not say which encoding",
        b"id,temp (\xb0C)\n1,20.5\n",
        Refused(
            "line 1, byte 9: the row is not valid UTF-8",
            "--file-encoding latin1",
        ),
    ),
    case(
        "Latin-1 in a row",
        b"id,town\n1,K\xf6ln\n",
        Refused(
            "line 2, byte 11: the row is not valid UTF-8",
            "--file-encoding latin1",
        ),
    ),
    with(
        "Latin-1 by option",
        b"id,town\n1,K\xf6ln\n",
        |it| it.encoding = "latin1".parse().ok(),
        Rows(&["id|town", "1|K\u{f6}ln"]),
    ),
    case(
        "UTF-16 cut in a character",
        b"\xff\xfea\0,\0b\0\n\x001\0,\x002",
        Refused("not valid UTF-16LE", "truncated"),
    ),
    case("UTF-32", b"\xff\xfe\0\0a\0\0\0", Refused("UTF-32", "UTF-8")),
    case(
        "a workbook",
        b"PK\x03\x04\x14\0\x06\0",
        Refused("a workbook", "CSV"),
    ),
    case("empty", b"", Refused("is empty", "header")),
    case("blank lines only", b"\n \n", Refused("is empty", "header")),
    case("header only", b"a,b\n", Refused("no rows", "row")),
];

/// Headers, comments and units.
const HEADERS: &[Case] = &[
    case(
        "no header, integers",
        b"1,50,90\n2,51,91\n",
        Refused(
            "the header looks like data: `1`, `50`, `90` are numbers",
            "--no-header",
        ),
    ),
    case(
        "no header, decimals and dates",
        b"2024-05-01T10:00:00Z,50.5\n2024-05-01T10:00:01Z,51\n",
        Refused("looks like data", "--no-header"),
    ),
    case(
        "no header, texts: a value of the column is its name",
        b"neg,Rome\npos,Bari\nneg,Pisa\n",
        Refused("`neg` is also a value of its column", "--no-header"),
    ),
    case(
        "no header, one row",
        b"1,2\n",
        Refused("looks like data", "--no-header"),
    ),
    with(
        "no header by option",
        b"1,50\n2,51\n",
        |it| it.no_header = Some(true),
        Rows(&["column_1|column_2", "1|50", "2|51"]),
    ),
    with(
        "no header by option, blank lines and comments first",
        b"\n# x\n1;50\n# y\n2;51\n",
        |it| {
            it.no_header = Some(true);
            it.comment = Some("#".to_owned());
        },
        Rows(&["column_1|column_2", "1|50", "2|51"]),
    ),
    with(
        "years as names, by option",
        b"2019,2020\n5,6\n",
        |it| it.no_header = Some(false),
        Rows(&["2019|2020", "5|6"]),
    ),
    case(
        "comment with a delimiter: it could be the header",
        b"# logger 7, by x\na,b\n1,2\n3,4\n",
        Refused("starts with `#`", "--comment '#'"),
    ),
    case(
        "comment without a delimiter before names is skipped as prose",
        b"# logger 7\na,b\n1,2\n3,4\n",
        Rows(AB),
    ),
    with(
        "comments by option, anywhere",
        b"# logger 7, by x\na,b\n# \"quote\n1,2\n#\n3,4\n# end",
        |it| it.comment = Some("#".to_owned()),
        Rows(AB),
    ),
    with(
        "comments by another text",
        b"// x, y\na,b\n1,2\n//\n3,4\n",
        |it| it.comment = Some("//".to_owned()),
        Rows(AB),
    ),
    case(
        "comment in the middle",
        b"a,b\n1,2\n# end\n",
        Refused(
            "line 3, byte 8: expected 2 fields as in the header, found 1 in a row that starts like a comment",
            "--comment",
        ),
    ),
    with(
        "name that starts like a comment, by option",
        b"#id,b\n1,2\n",
        |it| it.no_header = Some(false),
        Rows(&["#id|b", "1|2"]),
    ),
    with(
        "lines before the header by option",
        b"Logger 7\nx, y, z\n\na [s],b [m]\n1,2\n",
        |it| it.skip_rows = 3,
        Rows(&["a [s]|b [m]", "1|2"]),
    ),
    case(
        "lines before a header that is not plain",
        b"Logger 7\nx, y, z\na [s],b [m]\n1,2\n",
        Refused("line 3, byte 17: expected 3 fields", "--skip-rows"),
    ),
    case(
        "repeated header",
        b"a,b\n1,2\na,b\n3,4\n",
        Refused(
            "line 3, byte 8: the row repeats the header",
            "--skip-repeated-headers",
        ),
    ),
    with(
        "repeated header by option",
        b"a,b\n1,2\na, \"b\"\n3,4\na,b\n",
        |it| it.skip_repeated_headers = Some(true),
        Rows(AB),
    ),
    with(
        "repeated header as data by option",
        b"a,b\na,b\n",
        |it| it.skip_repeated_headers = Some(false),
        Rows(&["a|b", "a|b"]),
    ),
    case(
        "row of units",
        b"t,v\ns,km/h\n1,50\n2,51\n",
        Refused(
            "line 2, byte 4: the row looks like units or a second header: `s`, `km/h`",
            "--skip-units-row",
        ),
    ),
    with(
        "row of units by option",
        b"a,b\ns,km/h\n1,2\n3,4\n",
        |it| it.skip_units_row = Some(true),
        Rows(AB),
    ),
    with(
        "row like units is data by option",
        b"a,b\ns,km/h\n1,2\n",
        |it| it.skip_units_row = Some(false),
        Rows(&["a|b", "s|km/h", "1|2"]),
    ),
    case(
        "missing value in the first row is no unit",
        b"a,b\nna,2\n3,4\n",
        Rows(&["a|b", "na|2", "3|4"]),
    ),
];

/// Rows that do not fit the header.
const BAD_ROWS: &[Case] = &[
    case(
        "short row",
        b"a,b,c\n1,2,3\n4,5\n6,7,8\n",
        Refused(
            "line 3, byte 12: expected 3 fields as in the header, found 2",
            "--on-bad-row skip",
        ),
    ),
    case(
        "cut last row",
        b"a,b,c\n1,2,3\n4,5",
        Refused(
            "found 2 in the last row, which has no line end",
            "truncated",
        ),
    ),
    case(
        "NUL bytes after the last row",
        b"a,b\n1,2\n\0\0\0\0\0\0",
        Refused("line 3, byte 8: the row starts with NUL bytes", "NUL"),
    ),
    case(
        "row of a footer",
        b"a,b\n1,2\n3,4\nGenerated by x\n",
        Refused(
            "line 4, byte 12: expected 2 fields as in the header, found 1",
            "a footer",
        ),
    ),
    case(
        "line ends of another kind in one row",
        b"a,b\n1,2\n3,4\r5,6\n",
        Refused(
            "found 3 in a row that contains a carriage return (CR)",
            "end all lines alike",
        ),
    ),
    case(
        "backslash before a quote does not escape it",
        b"a,b\n1,\"x\\\"y\"\n",
        Refused(
            "line 2, byte 4: text follows the closing quote of a field",
            "double the quotes",
        ),
    ),
    case(
        "text after a closing quote",
        b"a,b\n1,\"x\" y\n",
        Refused("text follows the closing quote", "--on-bad-row skip"),
    ),
    with(
        "text after a closing quote costs its row only",
        b"a,b\n1,2\n9,\"x\"y\n3,4\n",
        skip_bad,
        Rows(AB),
    ),
    case(
        "open quote",
        b"a,b\n1,\"x\n2,y\n",
        Refused("line 2, byte 4: a quoted field is not closed", "quote"),
    ),
    with(
        "bad rows of every kind are left out by option",
        b"a,b\n1,2\n1,2,3\n\xff,2\n\0\0\0\n# x\n3,4\n5",
        skip_bad,
        Rows(AB),
    ),
    with(
        "an open quote costs its line only",
        b"a,b\n1,2\n9,\"x\n3,4\n",
        skip_bad,
        Rows(AB),
    ),
    with(
        "nothing but bad rows",
        b"a,b\n1\n2\n",
        skip_bad,
        Refused(
            "2 bad rows and no others; the first, in line 2: expected 2 fields",
            "--delimiter",
        ),
    ),
];

fn open(path: &Path, options: &ReadOptions, keep: Keep) -> Result<Dataset, Error> {
    Ok(Dataset::read(path, options, keep, &mut |_| ())?.remove(0))
}

/// Returns the names and the rows, joined.
fn content(dataset: &Dataset) -> Vec<String> {
    let names: Vec<_> = dataset
        .schema()
        .columns
        .iter()
        .map(|it| it.name.clone())
        .collect();
    let mut buffer = RowBuffer::default();
    let rows = (0..dataset.rows()).map(|index| {
        let row = dataset.row(index, &mut buffer).expect("the row is there");
        row.fields().collect::<Vec<_>>().join("|")
    });
    std::iter::once(names.join("|")).chain(rows).collect()
}

fn check(case: &Case, path: &Path) {
    let kind = case.kind;
    let mut options = ReadOptions::default();
    (case.options)(&mut options);
    for keep in [Keep::Rows(MEMORY_BYTES), Keep::Rows(0)] {
        match (open(path, &options, keep), &case.expected) {
            (Ok(dataset), Rows(rows)) => assert_eq!(content(&dataset), *rows, "{kind}, {keep:?}"),
            (Err(error), Refused(message, hint)) => {
                let error_text = error.to_string().replace(" of the decoded text", "");
                assert!(error_text.contains(message), "{kind}: {error}");
                assert!(error.hint().contains(hint), "{kind}: {}", error.hint());
            }
            (Ok(dataset), Refused(..)) => panic!("{kind}: {:?}", content(&dataset)),
            (Err(error), Rows(_)) => panic!("{kind}: {error}"),
        }
    }
    let surveyed = open(path, &options, Keep::Nothing);
    assert_eq!(surveyed.is_ok(), matches!(case.expected, Rows(_)), "{kind}");
    if let (Ok(surveyed), Rows(rows)) = (surveyed, &case.expected) {
        assert_eq!(surveyed.rows(), rows.len() as u64 - 1, "{kind}");
    }
}

fn check_all(cases: &[Case]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for case in cases {
        let path = folder.path().join("rows.csv");
        fs::write(&path, case.text).expect("writes a file");
        check(case, &path);
    }
}

#[test]
fn delimiter_is_found_or_asked_for() {
    check_all(DELIMITERS);
}

#[test]
fn blanks_quotes_and_line_ends_are_read_as_meant() {
    check_all(TEXTS);
}

#[test]
fn encoding_is_known_or_asked_for() {
    check_all(ENCODINGS);
}

#[test]
fn header_is_found_or_asked_for() {
    check_all(HEADERS);
}

#[test]
fn bad_rows_are_refused_or_left_out() {
    check_all(BAD_ROWS);
}

#[test]
fn compressed_files_give_the_same_rows_and_errors() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("rows.csv");
    let all = [DELIMITERS, TEXTS, HEADERS, BAD_ROWS, ENCODINGS];
    for case in all.into_iter().flatten() {
        fs::write(&path, gzip(case.text)).expect("writes a file");
        check(case, &path);
        fs::write(&path, zstd(case.text)).expect("writes a file");
        check(case, &path);
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("memory takes all")
}

#[test]
fn compressed_parts_follow_each_other_and_a_cut_part_is_an_error() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("rows.csv.gz");
    let options = ReadOptions::default();
    for compress in [gzip, zstd] {
        let mut bytes = compress(b"a,b\n1,2\n");
        bytes.extend(compress(b"3,4\n"));
        fs::write(&path, &bytes).expect("writes a file");
        let dataset = open(&path, &options, Keep::Rows(0)).expect("it is fine");
        assert_eq!(content(&dataset), AB);
        fs::write(&path, &bytes[..bytes.len() - 6]).expect("writes a file");
        let error = open(&path, &options, Keep::Rows(0)).expect_err("it is cut");
        assert!(matches!(error, Error::Decompress { .. }), "{error}");
    }
}

#[test]
fn positions_in_compressed_files_are_of_the_text() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("rows.csv.gz");
    fs::write(&path, gzip(b"a,b\n1,2\n3\n")).expect("writes a file");
    let error = open(&path, &ReadOptions::default(), Keep::Rows(0)).expect_err("it is ragged");
    let text = error.to_string();
    assert!(
        text.contains("line 3, byte 8 of the decoded text: "),
        "{text}"
    );
}

#[test]
fn pipes_are_read_once_and_their_rows_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).expect("makes a pipe");
    let mut text = b"a,b\n".to_vec();
    text.extend((0..200_000).flat_map(|row| format!("{row},x\n").into_bytes()));
    let writer = std::thread::spawn({
        let path = path.clone();
        move || fs::write(path, text)
    });
    let dataset = open(&path, &ReadOptions::default(), Keep::Rows(0)).expect("it is fine");
    writer.join().expect("it ends").expect("it writes all");
    let mut buffer = RowBuffer::default();
    for index in [0, 199_999, 77_777] {
        let row = dataset.row(index, &mut buffer).expect("the row is there");
        assert_eq!(row.field(0), index.to_string());
        assert_eq!(row.line(), index + 2);
    }
}

#[test]
fn bad_rows_are_counted_named_and_kept() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("rows.csv");
    let mut text = b"a,b\n".to_vec();
    for row in 0..20_000 {
        text.extend(format!("{row},x\n").into_bytes());
        if row % 100 == 7 {
            text.extend(b"bad\n\n");
        }
    }
    // Longer than any row, and without a line end for a while.
    text.resize(text.len() + (3 << 20), 0);
    text.extend(b"\n20000,x\n");
    fs::write(&path, &text).expect("writes a file");
    let options = ReadOptions {
        on_bad_row: OnBadRow::DeadLetter,
        ..ReadOptions::default()
    };
    for keep in [Keep::Rows(MEMORY_BYTES), Keep::Rows(0)] {
        let dataset = open(&path, &options, keep).expect("it is fine");
        assert_eq!(dataset.rows(), 20_001);
        let mut buffer = RowBuffer::default();
        for (index, line) in [(0, 2), (8, 12), (19_999, 20_401), (20_000, 20_403)] {
            let row = dataset.row(index, &mut buffer).expect("the row is there");
            assert_eq!(row.field(0), index.to_string());
            assert_eq!(row.line(), line, "{keep:?}, row {index}");
        }
        let assumed = &dataset.assumptions().files[0];
        assert_eq!(dataset.assumptions().bad_rows(), 201);
        assert_eq!(assumed.bad_rows.len(), FileAssumptions::NAMED_BAD_ROWS);
        assert_eq!(
            (assumed.bad_rows[0].line, assumed.bad_rows[0].text.as_str()),
            (10, "bad")
        );
        let mut kept = Vec::new();
        dataset.write_bad_rows(&mut kept).expect("memory takes all");
        let kept = String::from_utf8(kept).expect("it is JSON");
        assert_eq!(kept.lines().count(), 201);
        let first: serde_json::Value =
            serde_json::from_str(kept.lines().next().expect("a line")).expect("JSON");
        assert_eq!(
            (first["line"].as_u64(), first["text"].as_str()),
            (Some(10), Some("bad"))
        );
    }
}

#[test]
fn surveys_report_their_progress() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("rows.csv");
    let text = format!("a,b\n{}", "1,some text\n".repeat(300_000));
    fs::write(&path, &text).expect("writes a file");
    let mut seen = Vec::new();
    let options = ReadOptions::default();
    Dataset::survey(&path, &options, &mut |progress| seen.push(progress)).expect("it is fine");
    assert!(seen.len() >= 2, "{seen:?}");
    assert!(
        seen.iter()
            .all(|it| it.total_bytes == Some(text.len() as u64))
    );
    assert!(seen.is_sorted_by_key(|it| (it.bytes, it.rows)));
}
