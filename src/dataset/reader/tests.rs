//! Goal: rows and errors have their line and byte, and memory is bounded.
//! Method: texts in memory, also cut at every byte.

use crate::dataset::reader::*;

fn open(text: &[u8]) -> Result<Reader<&[u8]>, Error> {
    Reader::new(Path::new("rows.csv"), text, &ReadOptions::default())
}

/// Fields, line and byte.
type Row = (Vec<String>, u64, u64);

/// Every row that comes before the end or an error.
fn rows(text: &[u8]) -> (Vec<Row>, Option<Error>) {
    let mut rows = Vec::new();
    let mut reader = match open(text) {
        Ok(reader) => reader,
        Err(error) => return (rows, Some(error)),
    };
    loop {
        match reader.next_row(&mut |_, _| ()) {
            Ok(Some(row)) => rows.push((
                row.fields.iter().map(str::to_owned).collect(),
                row.line,
                row.byte,
            )),
            Ok(None) => return (rows, None),
            Err(error) => return (rows, Some(error)),
        }
    }
}

fn error(text: &[u8]) -> String {
    rows(text).1.expect("the text is malformed").to_string()
}

#[test]
fn rows_have_their_line_and_byte() {
    let text = b"\xef\xbb\xbfa,b\r\n1,2\r\n\r\n\"x\ny\",\"\"\"\"\n3,4";
    let (rows, error) = rows(text);
    assert!(error.is_none(), "{error:?}");
    let row = |fields: [&str; 2], line, byte| (fields.map(str::to_owned).to_vec(), line, byte);
    assert_eq!(
        rows,
        [
            row(["1", "2"], 2, 8),
            row(["x\ny", "\""], 4, 15),
            row(["3", "4"], 6, 26),
        ]
    );
}

#[test]
fn errors_name_line_and_byte() {
    assert_eq!(error(b""), "`rows.csv` is empty");
    assert_eq!(error(b"\n\r\n"), "`rows.csv` is empty");
    assert_eq!(
        error(b"a,b\n1,2\n3\n"),
        "`rows.csv`, line 3, byte 8: expected 2 fields as in the header, found 1"
    );
    assert_eq!(
        error(b"a,b\n1,\xff\n"),
        "`rows.csv`, line 2, byte 6: the row is not valid UTF-8"
    );
    assert_eq!(
        error(b"a,b\n1,2\n1,\"2\n\n"),
        "`rows.csv`, line 3, byte 8: a quoted field is not closed before the end of the file"
    );
    assert_eq!(
        error(&b",".repeat(MAX_COLUMNS)),
        "`rows.csv`, line 1, byte 0: the header has more than 4096 columns"
    );
}

#[test]
fn row_without_an_end_does_not_exhaust_memory() {
    let mut text = b"a\n\"".to_vec();
    text.resize(3 * MAX_ROW_BYTES, b'x');
    assert_eq!(
        error(&text),
        "`rows.csv`, line 2, byte 2: the row is longer than 1048576 bytes"
    );
}

#[test]
fn a_file_cut_at_any_byte_keeps_its_complete_rows() {
    let text = "\u{feff}id,name\r\n1,plain\n2,\"a, b\"\r\n\n3,\"two\nlines \"\"é\"\"\"\n4,né\n";
    let (whole, error) = rows(text.as_bytes());
    assert!(error.is_none());
    assert_eq!(whole.len(), 4);
    for cut in 0..text.len() {
        let (rows, error) = rows(&text.as_bytes()[..cut]);
        let complete = whole
            .iter()
            .filter(|row| {
                let next = whole.iter().map(|next| next.2).find(|&byte| byte > row.2);
                next.unwrap_or(text.len() as u64) <= cut as u64
            })
            .count();
        assert!(rows.len() >= complete, "cut at {cut}");
        assert_eq!(rows[..complete], whole[..complete], "cut at {cut}");
        assert!(rows.len() <= complete + 1, "cut at {cut}");
        if let Some(error) = error {
            assert!(error.to_string().contains("rows.csv"), "cut at {cut}");
        }
    }
}
