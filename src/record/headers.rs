//! Headers of a record.
//!
//! [`RecordHeaders`] are those of a fetched record, as slices of its bytes; [`Headers`] own theirs.

use crate::record::fields::{Fields, write_nullable};

/// Headers of a fetched record in order. Names may repeat, and values may be null.
///
/// The bytes are those of the record: each header has its name and its value, each with its length.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecordHeaders<'a> {
    count: usize,
    bytes: &'a [u8],
}

/// One header of a fetched record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordHeader<'a> {
    /// Name; UTF-8, unless its producer ignores the protocol.
    pub name: &'a [u8],
    /// Value; `None` is null.
    pub value: Option<&'a [u8]>,
}

impl<'a> RecordHeaders<'a> {
    /// Takes the bytes of the headers of a record, which end where the record ends.
    pub const fn new(count: usize, bytes: &'a [u8]) -> Self {
        Self { count, bytes }
    }

    /// Returns whether the bytes are as many headers as stated, and nothing more.
    pub fn are_valid(&self) -> bool {
        let mut fields = Fields::new(self.bytes);
        // Each has at least two bytes.
        let room = self.count <= self.bytes.len() / 2;
        let read = room && (0..self.count).all(|_| header(&mut fields).is_some());
        read && fields.rest().is_empty()
    }

    /// Returns the number of bytes.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Returns whether the record has no header.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns the headers in order.
    pub fn iter(&self) -> impl Iterator<Item = RecordHeader<'a>> + use<'a> {
        let mut fields = Fields::new(self.bytes);
        (0..self.count).map_while(move |_| header(&mut fields))
    }

    /// Returns the value of the last header with a name that is not null.
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        let named = self.iter().filter(|it| it.name == name.as_bytes());
        named.filter_map(|it| it.value).last()
    }

    /// Copies the headers. Bytes of a name that are not UTF-8 are replaced.
    pub fn to_headers(&self) -> Headers {
        let mut headers = Headers::default();
        for RecordHeader { name, value } in self.iter() {
            headers.push(String::from_utf8_lossy(name), value.map(<[u8]>::to_vec));
        }
        headers
    }
}

fn header<'a>(fields: &mut Fields<'a>) -> Option<RecordHeader<'a>> {
    let length = fields.length()?;
    let name = fields.take(length)?;
    let value = fields.nullable()?;
    Some(RecordHeader { name, value })
}

/// Headers in order, which they own. Names may repeat.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<Header>);

/// One header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Name.
    pub name: String,
    /// Value; `None` is null.
    pub value: Option<Vec<u8>>,
}

impl Headers {
    /// Returns the value of the last header with a name that is not null.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let mut named = self.0.iter().rev().filter(|header| header.name == name);
        named.find_map(|header| header.value.as_deref())
    }

    /// Appends a header.
    pub fn push(&mut self, name: impl Into<String>, value: Option<Vec<u8>>) {
        let name = name.into();
        self.0.push(Header { name, value });
    }

    /// Returns the headers in order.
    pub fn as_slice(&self) -> &[Header] {
        &self.0
    }

    /// Returns the headers as those of a record; `bytes` holds theirs.
    pub fn to_record<'a>(&self, bytes: &'a mut Vec<u8>) -> RecordHeaders<'a> {
        bytes.clear();
        for Header { name, value } in &self.0 {
            write_nullable(bytes, Some(name.as_bytes()));
            write_nullable(bytes, value.as_deref());
        }
        RecordHeaders {
            count: self.0.len(),
            bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(all: &[(&str, Option<&[u8]>)]) -> Headers {
        let mut headers = Headers::default();
        for (name, value) in all {
            headers.push(*name, value.map(<[u8]>::to_vec));
        }
        headers
    }

    #[test]
    fn headers_keep_their_order_and_repeated_names() {
        let all = [("b", Some(&b"1"[..])), ("a", None), ("b", Some(b"2"))];
        let headers = headers(&all);
        let names: Vec<&str> = headers
            .as_slice()
            .iter()
            .map(|it| it.name.as_str())
            .collect();
        assert_eq!(names, ["b", "a", "b"]);
        assert_eq!(headers.get("b"), Some(&b"2"[..]));
        assert_eq!((headers.get("a"), headers.get("c")), (None, None));
    }

    #[test]
    fn value_that_is_not_null_is_found_beside_null_ones() {
        let all = [("a", Some(&b"1"[..])), ("a", None)];
        let mut bytes = Vec::new();
        let headers = headers(&all);
        assert_eq!(headers.get("a"), Some(&b"1"[..]));
        assert_eq!(headers.to_record(&mut bytes).get("a"), Some(&b"1"[..]));
    }

    proptest! {
        #[test]
        fn headers_of_a_record_are_read_in_order(
            all in prop::collection::vec((".{0,5}", any::<Option<Vec<u8>>>()), 0..6)
        ) {
            let mut headers = Headers::default();
            for (name, value) in &all {
                headers.push(name.as_str(), value.clone());
            }
            let mut bytes = Vec::new();
            let written = headers.to_record(&mut bytes);
            prop_assert!(written.are_valid());
            prop_assert_eq!(written.to_headers(), headers);
            prop_assert!(!RecordHeaders::new(all.len() + 1, written.bytes).are_valid());
        }

        #[test]
        fn any_bytes_are_headers_or_not(count in 0_usize..5, bytes: Vec<u8>) {
            let headers = RecordHeaders::new(count, &bytes);
            prop_assert!(!headers.are_valid() || headers.iter().count() == count);
        }
    }
}
