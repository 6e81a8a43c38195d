//! Options for reading CSV files, which every command with a dataset has.

use clap::Args;

use crate::cli::parse;
use crate::dataset::{Delimiter, NullValues, OnBadRow, Renames, TextEncoding};

/// How the files of a dataset are read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Dataset")]
pub struct DatasetArgs {
    /// Delimiter of fields: `,`, `;`, `tab`, `|` or another character [default: found in the file].
    #[arg(long, value_name = "CHAR", hide_short_help = true)]
    #[arg(value_parser = parse::value::<Delimiter>)]
    pub delimiter: Option<Delimiter>,

    /// Encoding of the files, such as `utf-16le` or `latin1` [default: UTF-8, or that of the byte
    /// order mark].
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    #[arg(value_parser = parse::value::<TextEncoding>)]
    pub file_encoding: Option<TextEncoding>,

    /// Take the first row as data, and name the columns `column_1`, `column_2`, …
    ///
    /// `--no-header=false` takes it as the header, even if it looks like data.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(
        value_name = "BOOL",
        hide_possible_values = true,
        hide_short_help = true
    )]
    pub no_header: Option<bool>,

    /// Skip lines that start with this text, such as `#`.
    #[arg(long, value_name = "TEXT", hide_short_help = true)]
    pub comment: Option<String>,

    /// Skip this many lines at the start of each file.
    #[arg(long, value_name = "N", default_value = "0", hide_short_help = true)]
    #[arg(value_parser = parse::whole, allow_negative_numbers = true)]
    pub skip_rows: u64,

    /// Skip rows that repeat the header; `=false` takes them as data.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(
        value_name = "BOOL",
        hide_possible_values = true,
        hide_short_help = true
    )]
    pub skip_repeated_headers: Option<bool>,

    /// Skip the row of units after the header; `=false` takes it as data.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(
        value_name = "BOOL",
        hide_possible_values = true,
        hide_short_help = true
    )]
    pub skip_units_row: Option<bool>,

    /// On a row that does not fit the header: `fail`, `skip`, or `dead-letter` (skip and keep).
    ///
    /// Skipped rows are counted. `dead-letter` also writes them to a file in the run's directory.
    #[arg(
        long,
        value_name = "ACTION",
        default_value = "fail",
        hide_short_help = true
    )]
    #[arg(value_parser = parse::value::<OnBadRow>)]
    pub on_bad_row: OnBadRow,

    /// Texts that mean a missing value, separated by commas [default: the empty text, `na`, `NA`,
    /// `n/a`, `N/A`, `NaN`, `NULL`, `None`, `-`, `?`, `#N/A` and their spellings].
    ///
    /// The list replaces the default; `,x` is the empty text and `x`.
    #[arg(long, value_name = "TEXT,…", hide_short_help = true)]
    #[arg(value_parser = parse::value::<NullValues>)]
    pub null_values: Option<NullValues>,

    /// Read `1,5` as a decimal number.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(
        value_name = "BOOL",
        hide_possible_values = true,
        hide_short_help = true
    )]
    #[arg(default_value = "false", hide_default_value = true, action = clap::ArgAction::Set)]
    pub decimal_comma: bool,

    /// Rename columns: `OLD=NEW`, separated by commas.
    ///
    /// Without it, dots, a leading `$` and control characters become `_`, `_id` and `_convoy` get a
    /// `_` at their end, a column without a name is `column_N`, and a repeated name gets `_2`.
    #[arg(long, value_name = "OLD=NEW,…", hide_short_help = true)]
    #[arg(value_parser = parse::value::<Renames>)]
    pub rename: Vec<Renames>,

    /// Column that labels the rows, for the counts of the report [default: `class`].
    ///
    /// It has at most 64 distinct values. Rows without a label count as `(missing)`.
    #[arg(long, value_name = "COLUMN", hide_short_help = true)]
    pub label: Option<String>,
}
