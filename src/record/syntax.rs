//! Says why a payload is not a JSON object, in words for the person who sent it.

use serde::de::IgnoredAny;

/// Words that programs write and JSON does not have, with the likely reason.
const WORDS: [(&str, &str); 9] = [
    ("NaN", "JSON has no such number; send null"),
    ("nan", "JSON has no such number; send null"),
    ("Infinity", "JSON has no such number; send null"),
    ("inf", "JSON has no such number; send null"),
    ("True", "this looks like Python's `repr`; send `json.dumps`"),
    (
        "False",
        "this looks like Python's `repr`; send `json.dumps`",
    ),
    ("None", "this looks like Python's `repr`; send `json.dumps`"),
    ("undefined", "JSON has no such value; send null"),
    (
        "'",
        "JSON has double quotes; this looks like Python's `repr`; send `json.dumps`",
    ),
];

/// First bytes of formats that are not JSON.
const MAGIC: [(&[u8], &str); 6] = [
    (
        b"\xef\xbb\xbf",
        "starts with a byte order mark (BOM, EF BB BF); send JSON without it",
    ),
    (
        b"\xff\xfe",
        "starts with the byte order mark (BOM) of UTF-16; send UTF-8",
    ),
    (
        b"\xfe\xff",
        "starts with the byte order mark (BOM) of UTF-16; send UTF-8",
    ),
    (
        b"\x1f\x8b",
        "is compressed by gzip; let the producer compress batches instead",
    ),
    (
        b"\x28\xb5\x2f\xfd",
        "is compressed by zstd; let the producer compress batches instead",
    ),
    (b"Obj\x01", "is an Avro file (expected a JSON object)"),
];

/// Returns why a payload is not a JSON object; `None` if it is one.
pub fn explain_syntax(payload: &[u8]) -> Option<String> {
    if payload.is_empty() {
        return Some("the payload is empty (expected a JSON object)".to_owned());
    }
    if payload.first() == Some(&0) {
        let reason = "the payload starts with byte 0x00, as Avro or Protobuf may (expected JSON)";
        return Some(reason.to_owned());
    }
    if let Some((_, what)) = MAGIC.iter().find(|(magic, _)| payload.starts_with(magic)) {
        return Some(format!("the payload {what}"));
    }
    let text = match std::str::from_utf8(payload) {
        Ok(text) => text,
        Err(error) => return Some(not_utf_8(payload, error.valid_up_to())),
    };
    match serde_json::from_str::<IgnoredAny>(text) {
        Err(error) => Some(explain(text, &error)),
        Ok(IgnoredAny) => not_an_object(text.trim_start()),
    }
}

fn not_utf_8(payload: &[u8], at: usize) -> String {
    let byte = payload[at];
    let place = place(payload, at);
    let latin = char::from(byte);
    if latin.is_control() {
        return format!("byte {byte:#04x} {place} is not UTF-8");
    }
    format!("byte {byte:#04x} {place} is not UTF-8; in Latin-1 it is `{latin}`")
}

/// Says what a JSON text is instead of an object.
fn not_an_object(text: &str) -> Option<String> {
    let found = match text.as_bytes().first()? {
        b'{' => return None,
        b'[' => "an array",
        b'"' => {
            let inner = serde_json::from_str::<String>(text).unwrap_or_default();
            let inner = inner.trim_start();
            if inner.starts_with(['{', '[']) && serde_json::from_str::<IgnoredAny>(inner).is_ok() {
                let reason = "the payload is a string that contains JSON: it was encoded twice";
                return Some(reason.to_owned());
            }
            "a string"
        }
        b't' | b'f' => "a boolean",
        b'n' => "null",
        _ => "a number",
    };
    Some(format!("the payload is {found} (expected a JSON object)"))
}

fn explain(text: &str, error: &serde_json::Error) -> String {
    let bytes = text.as_bytes();
    let at = offset_of(bytes, error);
    if error.is_eof() {
        let length = bytes.len();
        return format!("the payload ends within a JSON value, after {length} bytes");
    }
    let in_word = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphabetic);
    // The parser stops within a word or just after its sign.
    let mut start = at;
    while start > 0 && in_word(start - 1) {
        start -= 1;
    }
    for start in [start, start.saturating_sub(1), start + 1] {
        let rest = text.get(start..).unwrap_or_default();
        let whole =
            |word: &str| rest.starts_with(word) && (word == "'" || !in_word(start + word.len()));
        if let Some((word, why)) = WORDS.iter().find(|(word, _)| whole(word)) {
            let place = place(bytes, start);
            return format!("`{word}` {place} is not JSON: {why}");
        }
    }
    let message = in_plain_words(error);
    let place = place(bytes, at);
    match text.get(at..).and_then(|rest| rest.chars().next()) {
        Some(found) if !found.is_control() => {
            format!("invalid JSON {place}: {message}, found `{found}`")
        }
        _ => format!("invalid JSON {place}: {message}"),
    }
}

/// Returns the message of the parser without its position.
fn in_plain_words(error: &serde_json::Error) -> String {
    let full = error.to_string();
    let (message, _) = full.rsplit_once(" at line ").unwrap_or((&full, ""));
    match message {
        "expected value" => "expected a value".to_owned(),
        "key must be a string" => "expected a name in double quotes".to_owned(),
        "trailing characters" => "expected the end after the first value".to_owned(),
        "number out of range" => "the number is beyond the range of a double".to_owned(),
        _ if message.contains("hex escape") || message.contains("surrogate") => {
            "a `\\u` escape is half of a surrogate pair".to_owned()
        }
        _ if message.starts_with("control character") => {
            "a control character in a string must be escaped".to_owned()
        }
        _ => message.to_owned(),
    }
}

/// Returns the message of an error with its place in the payload: JSON that is well-formed, and no
/// document can hold it.
pub fn explain_content(payload: &[u8], error: &serde_json::Error) -> String {
    let message = in_plain_words(error);
    if error.line() == 0 {
        return message;
    }
    let at = offset_of(payload, error);
    format!("{message} {}", place(payload, at))
}

/// Returns the offset of the byte at which a parser stopped.
fn offset_of(payload: &[u8], error: &serde_json::Error) -> usize {
    let lines = payload.split_inclusive(|byte| *byte == b'\n');
    let before: usize = lines
        .take(error.line().saturating_sub(1))
        .map(<[u8]>::len)
        .sum();
    (before + error.column().saturating_sub(1)).min(payload.len())
}

/// Names a place by line, column and byte. Lines and columns begin at 1, bytes at 0.
fn place(bytes: &[u8], at: usize) -> String {
    let before = &bytes[..at.min(bytes.len())];
    let line = before.split(|byte| *byte == b'\n').count();
    let newline = before.iter().rposition(|byte| *byte == b'\n');
    let column = at - newline.map_or(0, |newline| newline + 1) + 1;
    format!("at line {line}, column {column} (byte {at})")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reasons_name_what_a_person_sees() {
        let table: [(&[u8], &str); 28] = [
            (b"", "empty"),
            (b"{\"v\":NaN}", "`NaN` at line 1, column 6 (byte 5)"),
            (b"{\"v\": nan}", "`nan` at line 1, column 7 (byte 6)"),
            (
                b"{\"v\":Infinity}",
                "`Infinity` at line 1, column 6 (byte 5)",
            ),
            (
                b"{\"v\":-Infinity}",
                "`Infinity` at line 1, column 7 (byte 6)",
            ),
            (b"{\"v\":\n[1, NaN]}", "`NaN` at line 2, column 5 (byte 10)"),
            (b"{\"v\":undefined}", "`undefined` at"),
            (b"{\"v\":True}", "Python"),
            (b"{\"v\":None}", "Python"),
            (b"{'v': 1}", "`'` at line 1, column 2 (byte 1)"),
            (b"\xef\xbb\xbf{}", "BOM"),
            (b"\xff\xfe{\x00}\x00", "UTF-16"),
            (b"\x1f\x8b\x08", "gzip"),
            (
                b"{\"n\":\"Z\xfcrich\"}",
                "byte 0xfc at line 1, column 8 (byte 7) is not UTF-8; in Latin-1 it is `ü`",
            ),
            (b"\"{\\\"a\\\":1}\"", "encoded twice"),
            (b"\"x\"", "a string"),
            (b"[1]", "an array"),
            (b" 1", "a number"),
            (b"null", "null"),
            (b"true", "a boolean"),
            (b"{\"a\":1", "after 6 bytes"),
            (b"{\"a\":1,}", "byte 7"),
            (b"not json", "byte 1"),
            (
                b"{\"a\":1}{}",
                "expected the end after the first value, found `{`",
            ),
            (b"{\"a\":+1}", "byte 5): expected a value, found `+`"),
            (b"{\"a\":1 /*x*/}", "expected `,` or `}`, found `/`"),
            (b"{\"a\":\"x\ty\"}", "a control character in a string"),
            (b"\x00\x08\x01", "byte 0x00"),
        ];
        for (payload, expected) in table {
            let reason = explain_syntax(payload).expect("it is not an object");
            assert!(reason.contains(expected), "{payload:?}: {reason}");
        }
        assert_eq!(explain_syntax(b" {\"a\": [1]} "), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_explained(payload: Vec<u8>, text in "[\\[\\]{}\":,a0.e\\-NT'\n]{0,30}") {
            for bytes in [payload.as_slice(), text.as_bytes()] {
                let object = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(bytes);
                if explain_syntax(bytes).is_none() {
                    let range = object.err().is_none_or(|error| error.to_string().contains("range"));
                    prop_assert!(range);
                }
            }
        }
    }
}
