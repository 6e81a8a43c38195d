//! What can be wrong with a row.

/// Why a row cannot be split into the columns of the header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    /// The row is too long.
    #[error("the row is longer than {limit} bytes")]
    TooLong {
        /// Maximum length in bytes.
        limit: usize,
    },
    /// The row has more or fewer fields than the header.
    #[error("expected {expected} fields as in the header, found {found}{}", place.clause())]
    Ragged {
        /// Number of columns.
        expected: usize,
        /// Number of fields.
        found: usize,
        /// Where the row is.
        place: Place,
    },
    /// The row is not UTF-8.
    #[error("the row is not valid UTF-8")]
    InvalidUtf8,
    /// A quoted field is not closed.
    #[error("a quoted field is not closed before the end of the file")]
    UnclosedQuote,
    /// Text follows the closing quote of a field, as where quotes in it are not doubled.
    #[error("text follows the closing quote of a field")]
    TextAfterQuote,
    /// The row starts with NUL bytes, as after a power failure.
    #[error("the row starts with NUL bytes")]
    NulBytes,
}

/// What the place of a row says about missing or additional fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The first row after the header.
    First,
    /// The last row, without a line end.
    Last,
    /// A row that starts like a comment.
    Comment,
    /// A row with a carriage return that ends no line.
    CarriageReturn,
    /// Any other row.
    Middle,
}

impl Place {
    fn clause(self) -> &'static str {
        match self {
            Self::Last => " in the last row, which has no line end",
            Self::Comment => " in a row that starts like a comment",
            Self::CarriageReturn => " in a row that contains a carriage return (CR)",
            Self::First | Self::Middle => "",
        }
    }
}

impl Defect {
    /// Returns the hint for the user.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => {
                "check the row for a quote that is not closed, or pass `--on-bad-row skip`"
            }
            Self::Ragged {
                place: Place::Comment,
                ..
            } => "pass `--comment TEXT` with the start of such lines, or `--on-bad-row skip`",
            Self::Ragged {
                place: Place::Last, ..
            } => "check whether the file is truncated, or pass `--on-bad-row skip`",
            Self::Ragged {
                place: Place::First,
                ..
            } => {
                "check `--delimiter`; if the header is further down, pass `--skip-rows N`; or pass `--on-bad-row skip`"
            }
            Self::Ragged {
                place: Place::CarriageReturn,
                ..
            } => "end all lines alike, by LF, CRLF or CR, or pass `--on-bad-row skip`",
            Self::Ragged {
                expected, found, ..
            } if found < expected => {
                "check whether the row is incomplete or a footer, or pass `--on-bad-row skip`"
            }
            Self::Ragged { .. } => {
                "check whether a field with a delimiter is not quoted, or pass `--on-bad-row skip`"
            }
            Self::InvalidUtf8 => {
                "pass the encoding, such as `--file-encoding latin1`, or `--on-bad-row skip`"
            }
            Self::UnclosedQuote => {
                "check whether the file is truncated or a quote is missing, or pass `--on-bad-row skip`"
            }
            Self::TextAfterQuote => {
                "double the quotes inside a quoted field (`\"\"`), or pass `--on-bad-row skip`"
            }
            Self::NulBytes => {
                "remove the NUL bytes, which a crash may have left, or pass `--on-bad-row skip`"
            }
        }
    }
}
