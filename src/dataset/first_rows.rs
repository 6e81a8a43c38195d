//! What the first rows of a file say about its delimiter and its header.

use crate::dataset::lines::{Dialect, RecordEnd, trim_line_end};
use crate::dataset::options::Delimiter;
use crate::dataset::split::Split;

/// Maximum number of rows that are examined.
const ROWS: usize = 100;

/// Maximum number of fields that are examined.
const FIELDS: usize = 100_000;

/// The first records of a file, header first, split by one delimiter.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) header: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
    /// Whether the file has no other rows.
    pub(super) whole: bool,
}

impl Sample {
    /// Splits the records at the start of some bytes; `complete` if the file ends there.
    pub(super) fn new(bytes: &[u8], complete: bool, dialect: &Dialect) -> Self {
        let mut split = Split::default();
        let mut records = Vec::new();
        let mut rest = bytes;
        let mut fields = 0;
        while !rest.is_empty() && records.len() <= ROWS && fields <= FIELDS {
            let line = dialect.line(rest).unwrap_or(rest.len());
            let first = rest.get(..line).unwrap_or_default();
            let skipped = dialect.is_blank(first) || dialect.is_comment(first);
            let length = match dialect.record(rest) {
                _ if skipped => line,
                RecordEnd::At { length, .. } => length,
                RecordEnd::Missing { open: false } if complete => rest.len(),
                RecordEnd::Missing { .. } => break,
            };
            let (record, after) = rest.split_at(length);
            rest = after;
            if !skipped {
                // Bytes that are not UTF-8 are told with their position when the row is read.
                let text = String::from_utf8_lossy(trim_line_end(record));
                let record = split.record(&text, dialect.delimiter);
                fields += record.len();
                records.push(record.iter().map(str::to_owned).collect());
            }
        }
        let whole = complete && rest.is_empty();
        let mut records = records.into_iter();
        Self {
            header: records.next().unwrap_or_default(),
            rows: records.collect(),
            whole,
        }
    }

    /// Returns the rows with a field for each column that do not repeat the header.
    fn regular(&self) -> impl Iterator<Item = &Vec<String>> {
        let columns = self.header.len();
        let regular = move |row: &&Vec<String>| row.len() >= columns && **row != self.header;
        self.rows.iter().filter(regular)
    }

    /// Returns the share of rows that have as many fields as the header.
    fn agreement(&self) -> f64 {
        let columns = self.header.len();
        let named = columns - usize::from(self.header.last().is_some_and(String::is_empty));
        let agrees = |row: &&Vec<String>| {
            let unnamed = row.last().is_some_and(String::is_empty) && row.len() == columns + 1;
            row.len() == columns || row.len() == named || unnamed
        };
        let agreeing = self.rows.iter().filter(agrees).count();
        agreeing as f64 / self.rows.len().max(1) as f64
    }

    /// Returns whether rows end with a delimiter that starts no column.
    pub(super) fn trailing_delimiter(&self) -> bool {
        let columns = self.header.len();
        let is_empty =
            |row: &Vec<String>, column: usize| row.get(column).is_none_or(String::is_empty);
        if self.header.last().is_some_and(String::is_empty) {
            let empty = self.rows.iter().all(|row| is_empty(row, columns - 1));
            return columns > 1 && !self.rows.is_empty() && empty;
        }
        !self.rows.is_empty()
            && self
                .rows
                .iter()
                .all(|row| row.len() == columns + 1 && is_empty(row, columns))
    }

    /// Returns why the header looks like data.
    pub(super) fn header_is_data(&self) -> Option<String> {
        let quoted = |names: &[&String]| {
            let names: Vec<_> = names
                .iter()
                .take(3)
                .map(|name| format!("`{name}`"))
                .collect();
            names.join(", ")
        };
        let numbers: Vec<&String> = self.header.iter().filter(|name| is_number(name)).collect();
        let mut numeric = self.numeric_columns(0).peekable();
        let all = if numeric.peek().is_some() {
            numeric.all(|column| self.header.get(column).is_some_and(|name| is_number(name)))
        } else {
            self.whole && self.rows.is_empty() && numbers.len() == self.header.len()
        };
        if !numbers.is_empty() && all {
            let verb = if numbers.len() == 1 {
                "is a number"
            } else {
                "are numbers"
            };
            return Some(format!("{} {verb}", quoted(&numbers)));
        }
        if self.numeric_columns(0).next().is_some() {
            return None;
        }
        let repeated = self.header.iter().enumerate().find(|(column, name)| {
            let same = |row: &Vec<String>| row.get(*column) == Some(name);
            !name.is_empty() && self.regular().any(same)
        });
        repeated.map(|(_, name)| format!("`{name}` is also a value of its column"))
    }

    /// Returns some fields of the first row if it looks like units or a second header: it has texts
    /// in all columns that are numeric below.
    pub(super) fn units(&self, is_missing: impl Fn(&str) -> bool) -> Option<String> {
        let first = self.regular().next()?;
        if self.rows.first() != Some(first) {
            return None;
        }
        // A row of units has no numbers at all.
        if first.iter().any(|text| is_number(text)) {
            return None;
        }
        let mut texts = Vec::new();
        for column in self.numeric_columns(1) {
            match first.get(column) {
                Some(text) if !is_missing(text) => texts.push(format!("`{text}`")),
                _ => {}
            }
        }
        texts.truncate(3);
        (!texts.is_empty()).then(|| texts.join(", "))
    }

    /// Returns the columns whose present values are all numbers after skipping some rows.
    fn numeric_columns(&self, skip: usize) -> impl Iterator<Item = usize> {
        (0..self.header.len()).filter(move |&column| {
            let values = self.regular().skip(skip).filter_map(|row| row.get(column));
            let mut present = values.filter(|value| !looks_missing(value)).peekable();
            present.peek().is_some() && present.all(|value| is_number(value))
        })
    }
}

/// The delimiters that fit a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Delimiters {
    /// The file has one column.
    None,
    /// Blanks split every row into as many fields as the header.
    Blanks,
    One(Delimiter),
    /// Two delimiters split every row into as many fields as the header.
    Two(Delimiter, Delimiter),
}

/// Finds the delimiter: the one that splits header and rows into equally many fields.
pub(super) fn find_delimiter(bytes: &[u8], complete: bool, dialect: &Dialect) -> Delimiters {
    let mut candidates = Vec::new();
    for delimiter in Delimiter::USUAL {
        let dialect = Dialect {
            delimiter,
            ..dialect.clone()
        };
        let sample = Sample::new(bytes, complete, &dialect);
        if sample.header.len() > 1 {
            candidates.push((delimiter, sample.agreement(), sample.header.len()));
        }
    }
    let best = candidates.iter().map(|it| it.1).fold(0.0, f64::max);
    candidates.retain(|it| it.1 >= best);
    let most = candidates.iter().map(|it| it.2).max();
    match candidates.as_slice() {
        [] if split_by_blanks(bytes, complete, dialect) => Delimiters::Blanks,
        [] => Delimiters::None,
        [only] => Delimiters::One(only.0),
        // All rows agree with both: no evidence for either.
        [first, second, ..] if best >= 1.0 => Delimiters::Two(first.0, second.0),
        several => several
            .iter()
            .find(|it| Some(it.2) == most)
            .map_or(Delimiters::None, |it| Delimiters::One(it.0)),
    }
}

/// Returns whether blanks split header and rows into equally many fields, most of them numbers: one
/// column of texts with blanks is not like that.
fn split_by_blanks(bytes: &[u8], complete: bool, dialect: &Dialect) -> bool {
    let sample = Sample::new(bytes, complete, dialect);
    let words = |text: &str| text.split_ascii_whitespace().count();
    let header = sample.header.first().map_or(0, |header| words(header));
    let mut rows = sample.rows.iter().filter_map(|row| row.first()).peekable();
    header > 1
        && rows.peek().is_some()
        && rows.all(|row| {
            let present = |word: &&str| is_number(word) || looks_missing(word);
            let numbers = row.split_ascii_whitespace().filter(present).count();
            words(row) == header && numbers * 2 > header
        })
}

/// Returns whether a text is a number, a date or a time, in any usual form.
fn is_number(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-', '.', ',']);
    let hexadecimal = digits.strip_prefix("0x");
    let starts = digits.starts_with(|first: char| first.is_ascii_digit());
    let number = |symbol: char| symbol.is_ascii_digit() || "+-.,:/eETZ _%".contains(symbol);
    match hexadecimal {
        Some(digits) => !digits.is_empty() && digits.chars().all(|it| it.is_ascii_hexdigit()),
        None => starts && digits.chars().all(number),
    }
}

/// Returns whether a text is a usual mark of a missing value.
pub(super) fn looks_missing(text: &str) -> bool {
    let usual = ["", "na", "n/a", "nan", "null", "none", "-", "?", "#n/a"];
    usual.iter().any(|mark| text.eq_ignore_ascii_case(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(text: &str) -> Sample {
        Sample::new(text.as_bytes(), true, &Dialect::default())
    }

    fn delimiter(text: &str) -> Option<String> {
        match find_delimiter(text.as_bytes(), true, &Dialect::default()) {
            Delimiters::None => None,
            Delimiters::One(one) => Some(one.to_string()),
            Delimiters::Two(..) => Some("two".to_owned()),
            Delimiters::Blanks => Some("blanks".to_owned()),
        }
    }

    #[test]
    fn delimiter_splits_header_and_rows_equally() {
        for (text, expected) in [
            ("a,b\n1,2\n", Some(",")),
            ("a;b\n1,5;2,5\n", Some(";")),
            ("a\tb,c\n1\t2\n", Some("tab")),
            ("a|b|c\n1|2|3\n", Some("|")),
            ("a,b;c\n1,2;3\n4;5,6\n", Some("two")),
            ("a;b,c;d\n1;2,3;4\n", Some("two")),
            ("a,b\n\"x;y\",\"p|q\"\n", Some(",")),
            ("a,\"b;c\"\n1,2\n", Some(",")),
            ("a,b,c\n1,2,3\n1,2\n4,5,6\n", Some(",")),
            ("a,b\n", Some(",")),
            ("a;b;\n1;2;\n", Some(";")),
            ("speed\n1\n2\n", None),
            ("time\n1,2\n", None),
            ("a b c\n1 2 3\n4 5 na\n", Some("blanks")),
            ("a  b c\n1  2 3\n", Some("blanks")),
            ("Engine speed\n50\n51\n", None),
            ("Engine speed\n50 51\nfast\n", None),
            ("first last\nAda Lovelace\nAlan Turing\n", None),
            ("", None),
        ] {
            assert_eq!(delimiter(text).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn header_is_data_if_numbers_or_values_of_its_columns_are_in_it() {
        for text in [
            "1,50,90.5\n2,51,91\n",
            "neg,1\npos,2\n",
            "2024-05-01T10:00:00Z,50\n2024-05-01T10:00:01Z,51\n",
            "neg,Rome\npos,Berlin\nneg,Paris\n",
            "1,2\n",
            "-1.5,na\n2,na\n",
            "0x1F,a\n0x2A,b\n",
        ] {
            assert!(sample(text).header_is_data().is_some(), "{text:?}");
        }
        for text in [
            "id,name\n1,a\n",
            "name,town\na,x\nb,y\n",
            ",speed\n0,50\n1,51\n",
            "year,2019\n2020,5\n",
            "id,speed\nid,speed\n1,50\n",
            "id\n",
        ] {
            assert_eq!(sample(text).header_is_data(), None, "{text:?}");
        }
    }

    #[test]
    fn units_are_texts_above_numbers() {
        let units = |text: &str| sample(text).units(str::is_empty);
        assert_eq!(
            units("t,v,n\ns,km/h,\n1,50,x\n"),
            Some("`s`, `km/h`".to_owned())
        );
        assert_eq!(units("t,v\n,km/h\n1,50\n"), Some("`km/h`".to_owned()));
        assert_eq!(units("t,v\n1,x\n2,50\n"), None);
        assert_eq!(units("t,v\n0x1A,DE AD\n1F,00 01\n"), None);
        assert_eq!(units("t,v\na,b\nc,d\n"), None);
        assert_eq!(units("t,v\n,\n1,2\n"), None);
        assert_eq!(units("t,v\ns,m\n"), None);
    }

    #[test]
    fn trailing_delimiters_start_no_column() {
        assert!(sample("a,b,\n1,2,\n").trailing_delimiter());
        assert!(sample("a,b,\n1,2\n").trailing_delimiter());
        assert!(sample("a,b\n1,2,\n3,4,\n").trailing_delimiter());
        assert!(!sample("a,b,\n1,2,3\n").trailing_delimiter());
        assert!(!sample("a,b\n1,2,\n3,4\n").trailing_delimiter());
        assert!(!sample("a,b\n1,\n").trailing_delimiter());
    }
}
