//! Splits a CSV record into its fields.
//!
//! Every reading needs this, so records without a quote are split 64 bytes at a time and without
//! copying; the others use `csv-core`.

#![warn(clippy::indexing_slicing)]

use csv_core::{ReadRecordResult, ReaderBuilder, Terminator};

const COMMAS: u64 = u64::from_le_bytes([b','; 8]);
const QUOTES: u64 = u64::from_le_bytes([b'"'; 8]);
const LOW_BITS: u64 = u64::from_le_bytes([0x7f; 8]);

/// Reusable buffers for splitting records.
#[derive(Debug, Default)]
pub(super) struct Split {
    ends: Vec<usize>,
    unquoted: Vec<u8>,
}

impl Split {
    /// Splits a record given without its line end.
    pub(super) fn record<'a>(&'a mut self, record: &'a str) -> Fields<'a> {
        if split_plain(record.as_bytes(), &mut self.ends) {
            return Fields {
                text: record,
                ends: &self.ends,
                gap: 1,
            };
        }
        unquote(record.as_bytes(), &mut self.unquoted, &mut self.ends);
        Fields {
            // Removing quotes, which are ASCII, leaves valid UTF-8.
            text: std::str::from_utf8(&self.unquoted).unwrap_or_default(),
            ends: &self.ends,
            gap: 0,
        }
    }
}

/// The fields of one record, unquoted.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a> {
    text: &'a str,
    ends: &'a [usize],
    /// Bytes between one field and the next in `text`.
    gap: usize,
}

impl<'a> Fields<'a> {
    /// Returns the number of fields.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns whether there are no fields; a record has at least one.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Returns the text of a field; empty if there is no such field.
    pub fn get(&self, index: usize) -> &'a str {
        let start = match index.checked_sub(1) {
            None => 0,
            Some(before) => self
                .ends
                .get(before)
                .map_or(usize::MAX, |end| end + self.gap),
        };
        let end = self.ends.get(index).copied().unwrap_or_default();
        self.text.get(start..end).unwrap_or_default()
    }

    /// Returns the fields in column order.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let Self { text, ends, gap } = *self;
        let mut start = 0;
        ends.iter().map(move |&end| {
            let field = text.get(start..end).unwrap_or_default();
            start = end + gap;
            field
        })
    }

    /// Returns the record as in the file if no field is quoted.
    pub(super) fn plain(&self) -> Option<&'a str> {
        (self.gap == 1).then_some(self.text)
    }
}

/// Finds the end of every field; returns false if there is a quote.
fn split_plain(record: &[u8], ends: &mut Vec<usize>) -> bool {
    ends.clear();
    let (blocks, rest) = record.as_chunks::<64>();
    for (number, block) in blocks.iter().enumerate() {
        // One bit for each of 64 bytes: the number of commas in eight bytes is hard to predict, and
        // a mispredicted branch costs more than everything else here.
        let (mut commas, mut quotes) = (0, 0);
        for word in block.as_chunks::<8>().0.iter().rev() {
            let word = u64::from_le_bytes(*word);
            commas = (commas << 8) | bit_per_byte(zero_bytes(word ^ COMMAS));
            quotes |= zero_bytes(word ^ QUOTES);
        }
        if quotes != 0 {
            return false;
        }
        while commas != 0 {
            ends.push(number * 64 + commas.trailing_zeros() as usize);
            commas &= commas - 1;
        }
    }
    let start = record.len() - rest.len();
    for (index, &byte) in rest.iter().enumerate() {
        match byte {
            b'"' => return false,
            b',' => ends.push(start + index),
            _ => {}
        }
    }
    ends.push(record.len());
    true
}

/// Sets the highest bit of every byte that is zero, and no other bit.
fn zero_bytes(word: u64) -> u64 {
    !(((word & LOW_BITS) + LOW_BITS) | word | LOW_BITS)
}

/// Gathers the highest bits of eight bytes, of which only those may be set.
fn bit_per_byte(highest: u64) -> u64 {
    (highest >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

/// Splits a record with quotes.
fn unquote(record: &[u8], unquoted: &mut Vec<u8>, ends: &mut Vec<usize>) {
    let most = record.split(|&byte| byte == b',').count();
    unquoted.clear();
    unquoted.resize(record.len(), 0);
    ends.clear();
    ends.resize(most, 0);
    // The record has no line end; a carriage return belongs to a field.
    let mut parser = ReaderBuilder::new()
        .terminator(Terminator::Any(b'\n'))
        .build();
    let (mut read, mut written, mut fields) = (0, 0, 0);
    loop {
        // The empty input at the end tells the parser that the record is complete.
        let (result, input, output, ended) = parser.read_record(
            record.get(read..).unwrap_or_default(),
            unquoted.get_mut(written..).unwrap_or_default(),
            ends.get_mut(fields..).unwrap_or_default(),
        );
        read += input;
        written += output;
        fields += ended;
        if result != ReadRecordResult::InputEmpty {
            break;
        }
    }
    unquoted.truncate(written);
    ends.truncate(fields);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(record: &str) -> Vec<String> {
        let mut split = Split::default();
        let fields = split.record(record);
        let by_index: Vec<_> = (0..fields.len()).map(|index| fields.get(index)).collect();
        let by_order: Vec<_> = fields.iter().collect();
        assert_eq!(by_index, by_order);
        assert_eq!(fields.get(fields.len()), "");
        by_order.into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn quoted_fields_may_contain_commas_quotes_and_line_ends() {
        assert_eq!(fields(r#"a,"b,c","d""e","#), ["a", "b,c", "d\"e", ""]);
        assert_eq!(fields("\"two\r\nlines\",x"), ["two\r\nlines", "x"]);
        assert_eq!(fields(r#"5" pipe,"a"b"#), ["5\" pipe", "ab"]);
        assert_eq!(fields(""), [""]);
        assert_eq!(fields("\"\""), [""]);
        assert_eq!(fields(",,"), ["", "", ""]);
    }

    proptest! {
        #[test]
        fn records_without_quotes_split_at_every_comma(record in "[a-c,é]{0,300}") {
            let expected: Vec<_> = record.split(',').collect();
            prop_assert_eq!(fields(&record), expected);
        }

        #[test]
        fn quoted_fields_round_trip(
            expected in prop::collection::vec("[a-b,\"\n\ré ]{0,12}", 1..8),
        ) {
            let mut writer = csv::WriterBuilder::new()
                .quote_style(csv::QuoteStyle::Always)
                .from_writer(Vec::new());
            writer.write_record(&expected).expect("writing to memory works");
            let line = writer.into_inner().expect("writing to memory works");
            let line = String::from_utf8(line).expect("the fields are text");
            prop_assert_eq!(fields(line.trim_end_matches('\n')), expected);
        }

        #[test]
        fn any_text_splits_without_panic(record in "[a,\"\n\r]{0,200}") {
            prop_assert!(!fields(&record).is_empty());
        }
    }
}
