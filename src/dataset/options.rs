//! Options for reading files: what the user states instead of leaving it to the evidence.

use std::fmt;
use std::str::FromStr;

use encoding_rs::Encoding;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::string_enum::string_enum;

/// How to read the files of a dataset. Unset options follow the evidence in each file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReadOptions {
    /// Byte between two fields.
    pub delimiter: Option<Delimiter>,
    /// Encoding of the text.
    #[serde(rename = "file_encoding")]
    pub encoding: Option<TextEncoding>,
    /// `true`: the first row is data. `false`: it is the header, even if it looks like data.
    pub no_header: Option<bool>,
    /// Lines that start with this text are skipped.
    pub comment: Option<String>,
    /// Lines to skip at the start of each file.
    pub skip_rows: u64,
    /// `true`: rows that repeat the header are skipped. `false`: they are data.
    pub skip_repeated_headers: Option<bool>,
    /// `true`: the row after the header has units. `false`: it is data.
    pub skip_units_row: Option<bool>,
    /// What to do with a row that does not fit the header.
    pub on_bad_row: OnBadRow,
    /// Texts that mean that a value is missing; replaces the usual set.
    pub null_values: Option<NullValues>,
    /// Whether a comma separates the decimals of a number.
    pub decimal_comma: bool,
    /// New names of columns.
    pub rename: Vec<Renames>,
    /// Column whose values label the rows.
    pub label: Option<String>,
}

impl ReadOptions {
    /// Returns every pair of an old and a new column name.
    pub fn renames(&self) -> impl Iterator<Item = &Rename> {
        self.rename.iter().flat_map(|list| &list.0)
    }
}

string_enum! {
    /// What to do with a row that cannot be split into the columns of the header.
    OnBadRow {
        /// Refuse the dataset.
        Fail = "fail",
        /// Leave the row out and count it.
        Skip = "skip",
        /// Leave the row out, count it and keep it with its reason in the run's directory.
        DeadLetter = "dead-letter",
    }
}

#[expect(clippy::derivable_impls, reason = "the macro defines the enum")]
impl Default for OnBadRow {
    fn default() -> Self {
        Self::Fail
    }
}

/// Byte between two fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Delimiter(u8);

impl Delimiter {
    /// The comma.
    pub const COMMA: Self = Self(b',');
    /// Delimiters that are found without an option.
    pub const USUAL: [Self; 4] = [Self(b','), Self(b';'), Self(b'\t'), Self(b'|')];

    /// Returns the delimiter if a byte can be one: ASCII, and neither a quote nor a line end.
    pub fn new(byte: u8) -> Option<Self> {
        let usable = byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r' | 0);
        usable.then_some(Self(byte))
    }

    /// Returns the byte.
    pub fn byte(self) -> u8 {
        self.0
    }
}

impl FromStr for Delimiter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let byte = match text {
            "comma" => b',',
            "semicolon" => b';',
            "tab" | "\\t" => b'\t',
            "pipe" => b'|',
            "space" => b' ',
            _ => match text.as_bytes() {
                [byte] => *byte,
                _ => 0,
            },
        };
        Self::new(byte).ok_or_else(|| {
            "expected `,`, `;`, `tab`, `|`, `space` or another single ASCII character".to_owned()
        })
    }
}

impl fmt::Display for Delimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            b'\t' => f.write_str("tab"),
            b' ' => f.write_str("space"),
            byte => write!(f, "{}", char::from(byte)),
        }
    }
}

impl Serialize for Delimiter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Delimiter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// Encoding of the text of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextEncoding(pub(super) &'static Encoding);

impl TextEncoding {
    /// UTF-8.
    pub const UTF_8: Self = Self(encoding_rs::UTF_8);
}

impl FromStr for TextEncoding {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let label = match text.to_ascii_lowercase().as_str() {
            "latin-1" | "latin_1" => "latin1".to_owned(),
            "utf16" | "utf16le" | "utf-16-le" => "utf-16le".to_owned(),
            "utf16be" | "utf-16-be" => "utf-16be".to_owned(),
            "cp1252" | "windows1252" => "windows-1252".to_owned(),
            label => label.to_owned(),
        };
        Encoding::for_label(label.as_bytes())
            .filter(|encoding| *encoding != encoding_rs::REPLACEMENT)
            .map(Self)
            .ok_or_else(|| {
                "expected an encoding such as `utf-8`, `utf-16le`, `latin1` or `windows-1252`"
                    .to_owned()
            })
    }
}

impl fmt::Display for TextEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

impl Serialize for TextEncoding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TextEncoding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// Texts that mean that a value is missing: a list separated by commas.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NullValues(pub Vec<String>);

impl FromStr for NullValues {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self(text.split(',').map(str::to_owned).collect()))
    }
}

/// New name of a column.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rename {
    /// Name in the header, or the name that convoy would give the field.
    pub from: String,
    /// Name in records and documents.
    pub to: String,
}

/// New names of columns: a list of `OLD=NEW`, separated by commas.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Renames(pub Vec<Rename>);

impl FromStr for Renames {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let pair = |pair: &str| {
            // A new name has no `=`; an old one may.
            let (from, to) = pair.rsplit_once('=')?;
            let rename = || Rename {
                from: from.to_owned(),
                to: to.to_owned(),
            };
            (!to.is_empty()).then(rename)
        };
        let renames: Option<Vec<_>> = text.split(',').map(pair).collect();
        renames
            .map(Self)
            .ok_or_else(|| "expected OLD=NEW, separated by commas".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_are_named_or_typed() {
        for (text, byte) in [
            (",", b','),
            ("tab", b'\t'),
            ("\t", b'\t'),
            ("|", b'|'),
            ("^", b'^'),
        ] {
            assert_eq!(text.parse(), Ok(Delimiter(byte)), "{text}");
        }
        for text in ["", "\"", "\n", ",,", "é", "\0"] {
            assert!(text.parse::<Delimiter>().is_err(), "{text}");
        }
    }

    #[test]
    fn encodings_have_their_usual_names() {
        for (text, name) in [
            ("latin1", "windows-1252"),
            ("Latin-1", "windows-1252"),
            ("ISO-8859-1", "windows-1252"),
            ("utf-16", "UTF-16LE"),
            ("utf16be", "UTF-16BE"),
            ("UTF8", "UTF-8"),
            ("shift_jis", "Shift_JIS"),
        ] {
            let encoding: TextEncoding = text.parse().expect(text);
            assert_eq!(encoding.to_string(), name);
        }
        assert!("confluent".parse::<TextEncoding>().is_err());
    }

    #[test]
    fn options_are_read_back_from_a_report() {
        let options = ReadOptions {
            delimiter: Delimiter::new(b'\t'),
            encoding: "latin1".parse().ok(),
            no_header: Some(true),
            comment: Some("#".to_owned()),
            skip_rows: 3,
            skip_repeated_headers: Some(false),
            skip_units_row: Some(true),
            on_bad_row: OnBadRow::DeadLetter,
            null_values: ",na".parse().ok(),
            decimal_comma: true,
            rename: vec!["a.b=c,_id=id".parse().expect("it is a list")],
            label: Some("class".to_owned()),
        };
        for options in [options, ReadOptions::default()] {
            let mut written = serde_json::to_value(&options).expect("they are JSON");
            written["vehicles"] = 50.into();
            let read: ReadOptions = serde_json::from_value(written).expect("they are options");
            assert_eq!(read, options);
        }
    }

    #[test]
    fn renames_and_null_values_are_lists() {
        let renames: Renames = "a.b=c,_id=id".parse().expect("it is a list");
        assert_eq!(renames.0.len(), 2);
        assert_eq!(renames.0[0].from, "a.b");
        assert!("a".parse::<Renames>().is_err());
        assert!("a=".parse::<Renames>().is_err());
        let nulls: NullValues = ",na".parse().expect("it is a list");
        assert_eq!(nulls.0, ["", "na"]);
    }
}
