//! Fast path from JSON to BSON for rows as convoy writes them: compact, all columns, in order.
//!
//! The next column is expected by the bytes before its value, so that names are neither decoded nor
//! looked up. Any other payload, and any value that needs thought, is left to the general decoder,
//! which also words the errors: what the fast path writes, the general decoder would write as well.

use convoy_mongodb_server::bson::{Kind, Writer};

use crate::dataset::{Column, ColumnType, parse_date};
use crate::record::digits::{Digits, decimal, digits, few_digits};
use crate::record::payload::write_json_string;

/// Bytes that are compared or copied at once.
const BLOCK: usize = 16;
const HEAD_BLOCK: usize = 32;

/// Bytes of the longest value besides a text.
const VALUE_BYTES: usize = 8;

/// Bytes around a text: its length before it, a zero after it.
const AROUND_TEXT: usize = 5;

/// Writes the elements of compact rows.
#[derive(Debug)]
pub(super) struct FlatDecoder {
    columns: Vec<FlatColumn>,
    /// Bytes of the document beyond those of the payload, at most.
    overhead: usize,
}

#[derive(Debug)]
struct FlatColumn {
    kind: ColumnType,
    nullable: bool,
    field: FlatField,
}

/// A field that is expected next.
#[derive(Debug)]
pub(super) struct FlatField {
    /// The bytes between the value before it and its own, such as `,"name":`.
    before: Vec<u8>,
    /// The first of them, and which bits of a block they are.
    block: u128,
    mask: u128,
    /// Type, name and zero of the element.
    head: Vec<u8>,
    /// The first of them, followed by zeros.
    head_block: [u8; HEAD_BLOCK],
}

/// Where the next element goes.
pub(super) struct Output<'b> {
    buffer: &'b mut [u8],
    at: usize,
}

/// Appends elements that `write` writes, each for a field in turn and not longer than `most` bytes
/// together. Returns false, and appends nothing, if `write` finds that another decoder has to decide.
pub(super) fn append(
    writer: &mut Writer<'_>,
    most: usize,
    write: impl FnOnce(&mut Output<'_>) -> Option<()>,
) -> bool {
    writer.encoded(|bytes| {
        let start = bytes.len();
        bytes.resize(start + most, 0);
        let mut output = Output {
            buffer: &mut bytes[start..],
            at: 0,
        };
        let written = write(&mut output).map(|()| output.at);
        bytes.truncate(start + written.unwrap_or(0));
        written.is_some()
    })
}

/// Returns the bytes that elements of these fields need beyond those of their payload, at most.
pub(super) fn overhead<'f>(fields: impl Iterator<Item = &'f FlatField>) -> usize {
    let each = fields.map(|field| field.head.len() + VALUE_BYTES + AROUND_TEXT);
    each.sum::<usize>() + 2 * HEAD_BLOCK
}

impl FlatDecoder {
    /// Prepares for rows of these columns, which have these names in the document.
    pub(super) fn new(columns: &[Column], stored: &[String]) -> Self {
        let columns: Vec<FlatColumn> = columns
            .iter()
            .zip(stored)
            .enumerate()
            .map(|(index, (column, stored))| FlatColumn::new(column, stored, index == 0))
            .collect();
        Self {
            overhead: overhead(columns.iter().map(|column| &column.field)),
            columns,
        }
    }

    /// Appends the payload's fields. Returns false, and appends nothing, if the general decoder has
    /// to decide.
    pub(super) fn decode(&self, payload: &[u8], writer: &mut Writer<'_>) -> bool {
        append(writer, payload.len() + self.overhead, |output| {
            self.fields(payload, output)
        })
    }

    fn fields(&self, payload: &[u8], output: &mut Output<'_>) -> Option<()> {
        let mut rest = payload;
        for column in &self.columns {
            rest = column.field.expect(rest)?;
            rest = column.value(rest, output)?;
        }
        (rest == b"}" && !self.columns.is_empty()).then_some(())
    }
}

impl FlatField {
    /// Expects these bytes before a value that has this name in the document.
    pub(super) fn new(before: Vec<u8>, stored: &str) -> Self {
        let mut head = vec![0];
        head.extend_from_slice(stored.as_bytes());
        head.push(0);
        let compared = before.len().min(BLOCK);
        let mut block = [0; BLOCK];
        block[..compared].copy_from_slice(&before[..compared]);
        let mut mask = [0; BLOCK];
        mask[..compared].fill(0xff);
        let copied = head.len().min(HEAD_BLOCK);
        let mut head_block = [0; HEAD_BLOCK];
        head_block[..copied].copy_from_slice(&head[..copied]);
        Self {
            before,
            block: u128::from_le_bytes(block),
            mask: u128::from_le_bytes(mask),
            head,
            head_block,
        }
    }

    /// Returns what follows the name.
    #[inline]
    pub(super) fn expect<'p>(&self, payload: &'p [u8]) -> Option<&'p [u8]> {
        let length = self.before.len();
        if let Some(block) = payload.first_chunk::<BLOCK>() {
            if u128::from_le_bytes(*block) & self.mask != self.block {
                return None;
            }
            let rest = payload.get(length..)?;
            let same = length <= BLOCK || payload[BLOCK..length] == self.before[BLOCK..];
            return same.then_some(rest);
        }
        payload.strip_prefix(self.before.as_slice())
    }
}

impl FlatColumn {
    fn new(column: &Column, stored: &str, first: bool) -> Self {
        let mut before = vec![if first { b'{' } else { b',' }];
        write_json_string(&mut before, &column.name);
        before.push(b':');
        Self {
            kind: column.kind,
            nullable: column.nullable,
            field: FlatField::new(before, stored),
        }
    }

    /// Appends the value; returns what follows it.
    #[inline]
    fn value<'p>(&self, payload: &'p [u8], output: &mut Output<'_>) -> Option<&'p [u8]> {
        if payload.first() == Some(&b'n') {
            let rest = payload.strip_prefix(b"null")?;
            self.nullable.then_some(())?;
            output.put(&self.field, Kind::Null, []);
            return Some(rest);
        }
        match self.kind {
            ColumnType::Integer | ColumnType::LargeInteger => {
                if let Some((number, rest)) = few_digits(payload) {
                    output.put(&self.field, Kind::Int32, number.to_le_bytes());
                    return Some(rest);
                }
                let found = digits(payload)?;
                found.ended().then_some(())?;
                output.integer(&self.field, &found)?;
                Some(found.rest)
            }
            ColumnType::Decimal | ColumnType::Number => self.decimal(payload, output),
            ColumnType::Text => {
                let (text, rest) = text(payload)?;
                output.text(&self.field, text)?;
                Some(rest)
            }
            ColumnType::Date => {
                let (text, rest) = text(payload)?;
                let unix_ms = parse_date(text)?;
                output.put(&self.field, Kind::DateTime, unix_ms.to_le_bytes());
                Some(rest)
            }
            ColumnType::Boolean => {
                let (value, rest) = match payload.strip_prefix(b"true") {
                    Some(rest) => (1, rest),
                    None => (0, payload.strip_prefix(b"false")?),
                };
                output.put(&self.field, Kind::Bool, [value]);
                Some(rest)
            }
        }
    }

    #[inline]
    fn decimal<'p>(&self, payload: &'p [u8], output: &mut Output<'_>) -> Option<&'p [u8]> {
        if self.kind == ColumnType::Number
            && let Some((number, rest)) = few_digits(payload)
        {
            output.put(&self.field, Kind::Int32, number.to_le_bytes());
            return Some(rest);
        }
        let found = digits(payload)?;
        if !found.ended() {
            let (number, rest) = decimal(payload, &found)?;
            output.put(&self.field, Kind::Double, number.to_le_bytes());
            return Some(rest);
        }
        if self.kind == ColumnType::Number {
            output.integer(&self.field, &found)?;
        } else {
            let number = found.value()? as f64;
            output.put(&self.field, Kind::Double, number.to_le_bytes());
        }
        Some(found.rest)
    }
}

/// Returns a string without escapes, and what follows it.
#[inline]
pub(super) fn text(payload: &[u8]) -> Option<(&str, &[u8])> {
    let inner = payload.strip_prefix(b"\"")?;
    let plain = |byte: &u8| *byte >= b' ' && *byte != b'"' && *byte != b'\\';
    let length = inner.iter().take_while(|byte| plain(byte)).count();
    let (text, rest) = inner.split_at_checked(length)?;
    let rest = rest.strip_prefix(b"\"")?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

impl Output<'_> {
    /// Appends the head of an element.
    #[inline]
    fn head(&mut self, field: &FlatField, kind: Kind) {
        let length = field.head.len();
        let end = self.at + HEAD_BLOCK.max(length);
        let place = &mut self.buffer[self.at..end];
        if length <= HEAD_BLOCK {
            place[..HEAD_BLOCK].copy_from_slice(&field.head_block);
        } else {
            place.copy_from_slice(&field.head);
        }
        place[0] = kind as u8;
        self.at += length;
    }

    /// Appends an element with a value of fixed length.
    #[inline]
    pub(super) fn put<const N: usize>(&mut self, field: &FlatField, kind: Kind, value: [u8; N]) {
        self.head(field, kind);
        self.buffer[self.at..self.at + N].copy_from_slice(&value);
        self.at += N;
    }

    #[inline]
    pub(super) fn integer(&mut self, field: &FlatField, found: &Digits<'_>) -> Option<()> {
        let value = found.value()?;
        match i32::try_from(value) {
            Ok(small) => self.put(field, Kind::Int32, small.to_le_bytes()),
            Err(_) => self.put(field, Kind::Int64, value.to_le_bytes()),
        }
        Some(())
    }

    #[inline]
    pub(super) fn text(&mut self, field: &FlatField, text: &str) -> Option<()> {
        let length = u32::try_from(text.len() + 1).ok()?;
        self.put(field, Kind::String, length.to_le_bytes());
        let end = self.at + text.len();
        self.buffer[self.at..end].copy_from_slice(text.as_bytes());
        // The buffer may hold more of a name here.
        self.buffer[end] = 0;
        self.at = end + 1;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dataset::Schema;
    use crate::record::typed::PayloadDecoder;

    /// Columns of every type, with names of every length and some that need escapes.
    fn schema() -> Schema {
        let names = [
            "class",
            "ü \"quoted\"\n",
            "a name that is longer than a block",
            "_id",
            "",
        ];
        let kinds = [
            ColumnType::Text,
            ColumnType::Integer,
            ColumnType::LargeInteger,
            ColumnType::Decimal,
            ColumnType::Number,
            ColumnType::Date,
            ColumnType::Boolean,
        ];
        let columns = kinds.iter().zip(names.iter().cycle()).enumerate();
        Schema {
            columns: columns
                .map(|(index, (kind, name))| Column {
                    name: format!("{name}{}", ["", "2"][index / names.len()]),
                    kind: *kind,
                    nullable: index % 3 > 0,
                })
                .collect(),
        }
    }

    fn json_name(column: &Column) -> String {
        let mut name = Vec::new();
        write_json_string(&mut name, &column.name);
        String::from_utf8(name).unwrap()
    }

    /// A value that often fits the column.
    fn value() -> impl Strategy<Value = String> {
        prop_oneof![
            8 => "-?(0|[1-9][0-9]{0,5})",
            2 => "-?[0-9]{1,25}",
            6 => "-?(0|[1-9][0-9]{0,8})\\.[0-9]{1,20}([eE][-+]?[0-9]{1,3})?",
            6 => "\"[a-zA-Z0-9ü€ .,:-]{0,40}\"",
            1 => "\"[\\\\n\"\\x00-\\x1f]{0,4}\"",
            3 => Just("\"2024-05-01T10:00:00.000Z\"".to_owned()),
            2 => Just("null".to_owned()),
            3 => prop_oneof![Just("true".to_owned()), Just("false".to_owned())],
            1 => "[\\[\\]{}\":,a0.e\\-]{0,6}",
        ]
    }

    /// Values that fit, for the columns of [`schema`].
    fn fitting() -> impl Strategy<Value = Vec<String>> {
        let strategies: Vec<BoxedStrategy<String>> = vec![
            "\"[a-zA-Z0-9ü€ ]{0,40}\"".boxed(),
            any::<i64>().prop_map(|number| number.to_string()).boxed(),
            "-?[1-9][0-9]{0,33}".boxed(),
            any::<f32>()
                .prop_filter("finite", |number| number.is_finite())
                .prop_map(|number| format!("{number:?}"))
                .boxed(),
            "-?[1-9][0-9]{0,10}(\\.[0-9]{1,9})?".boxed(),
            (0_i64..4_000_000_000_000)
                .prop_map(|ms| {
                    let written = crate::dataset::write_date(ms).unwrap();
                    format!("\"{}\"", std::str::from_utf8(&written).unwrap())
                })
                .boxed(),
            prop_oneof![Just("true".to_owned()), Just("false".to_owned())].boxed(),
        ];
        strategies
    }

    fn payload(values: &[String]) -> Vec<u8> {
        let columns = schema().columns;
        let fields = columns.iter().zip(values);
        let fields: Vec<String> = fields
            .map(|(column, value)| format!("{}:{value}", json_name(column)))
            .collect();
        format!("{{{}}}", fields.join(",")).into_bytes()
    }

    /// Decodes by both ways; returns whether the fast path took it.
    fn compare(decoder: &PayloadDecoder, payload: &[u8]) -> bool {
        let schema = schema();
        let stored: Vec<String> = schema
            .columns
            .iter()
            .map(|column| crate::record::names::stored_name(&column.name).into_owned())
            .collect();
        let mut fast = b"before".to_vec();
        let taken =
            FlatDecoder::new(&schema.columns, &stored).decode(payload, &mut Writer::new(&mut fast));
        let mut general = b"before".to_vec();
        let decoded = decoder.decode_any(payload, &mut Writer::new(&mut general));
        if taken {
            let shown = String::from_utf8_lossy(payload);
            assert!(decoded.is_ok(), "{shown}: {decoded:?}");
            assert_eq!(fast, general, "{shown}");
        } else {
            assert_eq!(fast.len(), b"before".len() + 4, "nothing is left behind");
        }
        taken
    }

    proptest! {
        #[test]
        fn what_the_fast_path_takes_is_what_the_general_decoder_writes(
            values in prop::collection::vec(value(), 7),
            place: prop::sample::Index, change: u8, kind in 0_u8..4,
        ) {
            let decoder = PayloadDecoder::new(&schema());
            let mut payload = payload(&values);
            compare(&decoder, &payload);
            let place = place.index(payload.len());
            match kind {
                0 => payload[place] = change,
                1 => payload.insert(place, change),
                2 => payload.truncate(place),
                _ => payload.insert(place, b' '),
            }
            compare(&decoder, &payload);
        }

        #[test]
        fn changed_rows_are_decoded_as_by_the_general_decoder(
            values in fitting(), place: prop::sample::Index, change: u8, kind in 0_u8..4,
        ) {
            let decoder = PayloadDecoder::new(&schema());
            let mut payload = payload(&values);
            let long = values[2].len() > 17;
            prop_assert!(compare(&decoder, &payload) || long || values[1].len() > 18);
            let place = place.index(payload.len());
            match kind {
                0 => payload[place] = change,
                1 => payload.insert(place, change),
                2 => drop(payload.remove(place)),
                _ => payload[place] ^= 1,
            }
            compare(&decoder, &payload);
        }
    }
}
