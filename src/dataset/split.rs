//! Splits a CSV record into its fields.
//!
//! Every reading needs this, so records without a quote are split 64 bytes at a time and without
//! copying; the others use `csv-core`.

#![warn(clippy::indexing_slicing)]

use csv_core::{ReadRecordResult, ReaderBuilder, Terminator};

use crate::dataset::lines::{Quotes, is_blank};
use crate::dataset::options::Delimiter;

const QUOTES: u64 = u64::from_le_bytes([b'"'; 8]);
const LOW_BITS: u64 = u64::from_le_bytes([0x7f; 8]);

/// Reusable buffers for splitting records.
#[derive(Debug, Default)]
pub(super) struct Split {
    ends: Vec<usize>,
    trimmed: Vec<u8>,
    unquoted: Vec<u8>,
    /// Whether the fields are in `unquoted`.
    quoted: bool,
    /// Whether text follows the closing quote of a field.
    text_after_quote: bool,
}

impl Split {
    /// Splits a record given without its line end.
    pub(super) fn record<'a>(&'a mut self, record: &'a str, delimiter: Delimiter) -> Fields<'a> {
        self.quoted = !split_plain(record.as_bytes(), delimiter.byte(), &mut self.ends);
        self.text_after_quote = false;
        if self.quoted {
            let (trimmed, byte) = (&mut self.trimmed, delimiter.byte());
            self.text_after_quote = trim_blanks(record.as_bytes(), delimiter, trimmed);
            unquote(trimmed, byte, &mut self.unquoted, &mut self.ends);
        }
        self.again(record, delimiter)
    }

    /// Returns whether text follows the closing quote of a field of the record that was split last,
    /// as in `"a"b`.
    pub(super) fn has_text_after_quote(&self) -> bool {
        self.text_after_quote
    }

    /// Returns the fields of the record that was split last.
    pub(super) fn again<'a>(&'a self, record: &'a str, delimiter: Delimiter) -> Fields<'a> {
        let (text, gap) = if self.quoted {
            // Removing quotes and blanks, which are ASCII, leaves valid UTF-8.
            (std::str::from_utf8(&self.unquoted).unwrap_or_default(), 0)
        } else {
            (record, 1)
        };
        Fields {
            text,
            ends: &self.ends,
            gap,
            delimiter,
        }
    }
}

/// The fields of one record, unquoted, and without the blanks around them.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a> {
    text: &'a str,
    ends: &'a [usize],
    /// Bytes between one field and the next in `text`. If there are any, no field was quoted.
    gap: usize,
    delimiter: Delimiter,
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
        trim(self.text.get(start..end).unwrap_or_default(), self.gap)
    }

    /// Returns the fields in column order.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let Self {
            text, ends, gap, ..
        } = *self;
        let mut start = 0;
        ends.iter().map(move |&end| {
            let field = text.get(start..end).unwrap_or_default();
            start = end + gap;
            trim(field, gap)
        })
    }

    /// Returns the record as in the file if it is in canonical form: separated by commas, without
    /// quotes and blanks around fields.
    pub(super) fn plain(&self) -> Option<&'a str> {
        let whole = self.ends.last() == Some(&self.text.len());
        let mut start = 0;
        let canonical = self.gap == 1
            && whole
            && self.delimiter == Delimiter::COMMA
            && self.ends.iter().all(|&end| {
                let field = self.text.as_bytes().get(start..end).unwrap_or_default();
                start = end + 1;
                !has_blanks(field)
            });
        canonical.then_some(self.text)
    }

    /// Leaves out the fields after the first `columns`.
    pub(super) fn truncated(mut self, columns: usize) -> Self {
        self.ends = self.ends.get(..columns).unwrap_or(self.ends);
        self
    }
}

/// Removes the blanks around a field that was not quoted.
#[inline]
fn trim(field: &str, gap: usize) -> &str {
    if gap == 1 && has_blanks(field.as_bytes()) {
        return field.trim_matches([' ', '\t']);
    }
    field
}

/// Returns whether a field starts or ends with a blank.
#[inline]
fn has_blanks(field: &[u8]) -> bool {
    let blank = |byte: Option<&u8>| byte.is_some_and(|&byte| is_blank(byte));
    blank(field.first()) || blank(field.last())
}

/// Finds the end of every field; returns false if there is a quote.
fn split_plain(record: &[u8], delimiter: u8, ends: &mut Vec<usize>) -> bool {
    ends.clear();
    let delimiters = u64::from_le_bytes([delimiter; 8]);
    let (blocks, rest) = record.as_chunks::<64>();
    for (number, block) in blocks.iter().enumerate() {
        // One bit for each of 64 bytes: the number of delimiters in eight bytes is hard to predict,
        // and a mispredicted branch costs more than everything else here.
        let (mut found, mut quotes) = (0, 0);
        for word in block.as_chunks::<8>().0.iter().rev() {
            let word = u64::from_le_bytes(*word);
            found = (found << 8) | bit_per_byte(zero_bytes(word ^ delimiters));
            quotes |= zero_bytes(word ^ QUOTES);
        }
        if quotes != 0 {
            return false;
        }
        while found != 0 {
            ends.push(number * 64 + found.trailing_zeros() as usize);
            found &= found - 1;
        }
    }
    let start = record.len() - rest.len();
    for (index, &byte) in rest.iter().enumerate() {
        if byte == b'"' {
            return false;
        }
        if byte == delimiter {
            ends.push(start + index);
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

/// Copies a record without the blanks around its fields. Those in quotes stay. Returns whether text
/// follows the closing quote of a field.
fn trim_blanks(record: &[u8], delimiter: Delimiter, trimmed: &mut Vec<u8>) -> bool {
    trimmed.clear();
    let (mut closed, mut text_after_quote) = (false, false);
    let mut state = Quotes::default();
    // Start of the trailing blanks that may be removed: after the last byte that must stay.
    let mut kept = 0;
    for &byte in record {
        state = if state == Quotes::Inside || !matches!(byte, b'\n' | b'\r') {
            state.next(byte, delimiter)
        } else {
            // The record has no line end; a carriage return belongs to a field.
            Quotes::Unquoted
        };
        let blank = is_blank(byte) && byte != delimiter.byte();
        closed = match state {
            Quotes::Closing => true,
            Quotes::Unquoted => closed,
            Quotes::Outside | Quotes::Inside => false,
        };
        text_after_quote |= closed && state == Quotes::Unquoted && !blank && byte != b'\r';
        match state {
            Quotes::Outside if blank => continue,
            Quotes::Outside => trimmed.truncate(kept),
            _ => {}
        }
        trimmed.push(byte);
        if !blank || matches!(state, Quotes::Inside | Quotes::Closing) {
            kept = trimmed.len();
        }
    }
    if state != Quotes::Inside {
        trimmed.truncate(kept);
    }
    text_after_quote
}

/// Splits a record with quotes.
fn unquote(record: &[u8], delimiter: u8, unquoted: &mut Vec<u8>, ends: &mut Vec<usize>) {
    let most = record.split(|&byte| byte == delimiter).count();
    unquoted.clear();
    unquoted.resize(record.len(), 0);
    ends.clear();
    ends.resize(most, 0);
    // The record has no line end; a carriage return belongs to a field.
    let mut parser = ReaderBuilder::new()
        .delimiter(delimiter)
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
#[expect(clippy::indexing_slicing, reason = "tests panic")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(record: &str) -> Vec<String> {
        let mut split = Split::default();
        let fields = split.record(record, Delimiter::COMMA);
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

    #[test]
    fn blanks_are_removed_around_fields_but_not_inside_quotes() {
        assert_eq!(fields(" a, b\t,c d , "), ["a", "b", "c d", ""]);
        assert_eq!(
            fields("\" a \" , \"b,\" ,c ,\t\"\"\"d\" x ,"),
            [" a ", "b,", "c", "\"d x", ""]
        );
        assert_eq!(fields("1 , 5\" pipe "), ["1", "5\" pipe"]);
    }

    #[test]
    fn text_after_a_closing_quote_is_noticed() {
        let mut split = Split::default();
        let mut noticed = |record: &str| {
            split.record(record, Delimiter::COMMA);
            split.has_text_after_quote()
        };
        for record in ["\"a\"b", "1,\"a\\\"b\"", "\"a\" b ,1", "\"a\"\"\"b"] {
            assert!(noticed(record), "{record}");
        }
        for record in [
            "a,b",
            "\"a\"",
            " \"a\" , 1",
            "\"a\"\r",
            "\"a\"\"b\",\"\"",
            "5\" pipe, x\"y\"",
            "\"\"\"\"",
        ] {
            assert!(!noticed(record), "{record}");
        }
    }

    #[test]
    fn any_delimiter_separates_fields() {
        let mut split = Split::default();
        for delimiter in [';', '\t', '|', ' '] {
            let text = format!("a{delimiter}\"b{delimiter}\"{delimiter}1,5{delimiter}");
            let delimiter = delimiter.to_string().parse().expect("it is a delimiter");
            let fields: Vec<_> = split
                .record(&text, delimiter)
                .iter()
                .map(str::to_owned)
                .collect();
            assert_eq!(fields[0], "a");
            assert_eq!(fields[2..], ["1,5", ""]);
            assert_eq!(fields.len(), 4, "{text}");
        }
    }

    #[test]
    fn canonical_records_are_those_without_blanks_and_quotes() {
        let mut split = Split::default();
        let mut plain = |text: &str, columns| {
            let fields = split.record(text, Delimiter::COMMA).truncated(columns);
            fields.plain().is_some()
        };
        assert!(plain("a,b", 2));
        assert!(!plain("a, b", 2));
        assert!(!plain("a,b,", 2));
        assert!(!plain("a,\"b\"", 2));
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
