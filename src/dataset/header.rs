//! Locates the header: after blank lines, comments, a `sep=` line and, in some published files, a
//! licence text.

use crate::dataset::lines::{Dialect, trim_line_end};
use crate::dataset::options::Delimiter;

/// Maximum lines of a preamble. The original APS files have 20.
const PREAMBLE_LINES: usize = 64;

/// Starts of lines that are comments in many programs.
const COMMENT_MARKS: [&str; 2] = ["#", "//"];

/// A line in a part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Start {
    /// Offset of the first byte.
    pub(super) byte: u64,
    /// Number of lines before it.
    pub(super) line: u64,
}

/// Finds the header in the first bytes of a file, as an offset and a number of lines before it.
///
/// The header is the first line that is neither blank nor a comment. But if that line is prose (one
/// field that is not a plain name), the header is the next line of two or more fields that are all
/// plain names, if there is one nearby. So a row is never read as a header, and a preamble never as
/// a row.
pub(super) fn locate(prefix: &[u8], dialect: &Dialect, delimiters: &[Delimiter]) -> Start {
    let mut lines = Lines {
        rest: prefix,
        dialect,
        next: Start { byte: 0, line: 0 },
    }
    .filter(|(_start, line)| !dialect.is_blank(line) && !dialect.is_comment(line));
    let Some((first, line)) = lines.next() else {
        return Start { byte: 0, line: 0 };
    };
    let splits = |line: &[u8]| delimiters.iter().any(|it| line.contains(&it.byte()));
    if splits(line) || is_name(line.trim_ascii()) {
        return first;
    }
    let names = |line: &[u8], delimiter: &Delimiter| {
        let byte = delimiter.byte();
        line.contains(&byte) && line.split(|&it| it == byte).all(is_name)
    };
    lines
        .take_while(|(start, _line)| start.line <= first.line + PREAMBLE_LINES as u64)
        .find(|(_start, line)| delimiters.iter().any(|delimiter| names(line, delimiter)))
        .map_or(first, |(start, _line)| start)
}

/// Returns the delimiter of a line `sep=;`, as Excel writes it, and the length of the line.
pub(super) fn separator_line(prefix: &[u8], dialect: &Dialect) -> Option<(Delimiter, usize)> {
    let length = dialect.line(prefix)?;
    let line = trim_line_end(prefix.get(..length)?);
    let line = line
        .strip_prefix(b"\"")
        .and_then(|line| line.strip_suffix(b"\""))
        .unwrap_or(line);
    let (name, value) = line.split_at_checked(4)?;
    let [byte] = value else { return None };
    let delimiter = Delimiter::new(*byte)?;
    name.eq_ignore_ascii_case(b"sep=")
        .then_some((delimiter, length))
}

/// Returns the mark of a comment that a line starts with.
pub(super) fn comment_mark(line: &[u8]) -> Option<&'static str> {
    COMMENT_MARKS
        .into_iter()
        .find(|mark| line.trim_ascii_start().starts_with(mark.as_bytes()))
}

/// Returns whether a field is a plain column name, quoted or not.
fn is_name(field: &[u8]) -> bool {
    let field = field.trim_ascii();
    let word = field
        .strip_prefix(b"\"")
        .and_then(|open| open.strip_suffix(b"\""))
        .unwrap_or(field);
    word.first()
        .is_some_and(|&b| b.is_ascii_alphabetic() || b == b'_')
        && word
            .iter()
            .all(|&b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

/// Lines with their starts.
struct Lines<'a> {
    rest: &'a [u8],
    dialect: &'a Dialect,
    next: Start,
}

impl<'a> Iterator for Lines<'a> {
    type Item = (Start, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let length = self.dialect.line(self.rest).unwrap_or(self.rest.len());
        let (line, rest) = self.rest.split_at(length);
        let start = self.next;
        self.rest = rest;
        self.next = Start {
            byte: start.byte + length as u64,
            line: start.line + 1,
        };
        Some((start, line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line_of(text: &str) -> u64 {
        let start = locate(text.as_bytes(), &Dialect::default(), &Delimiter::USUAL);
        let before = &text[..usize::try_from(start.byte).expect("it is small")];
        let line = before.split('\n').count();
        assert_eq!(start.line + 1, line as u64, "line and byte agree");
        start.line + 1
    }

    #[test]
    fn first_line_is_the_header_unless_it_is_prose() {
        assert_eq!(line_of("class,aa_000\nneg,1\n"), 1);
        assert_eq!(line_of("only\na,b\n"), 1);
        assert_eq!(line_of("Engine temperature,Oil\na,b\n"), 1);
        assert_eq!(line_of("\n\r\n a,b\n1,2\n"), 3);
        assert_eq!(line_of("  \na,b\n1,2\n"), 2);
        assert_eq!(line_of("Engine temperature\n80\n"), 1);
        assert_eq!(line_of(""), 1);
    }

    #[test]
    fn licence_text_is_skipped_until_the_first_line_of_names() {
        let text = "This is part of some data.\n\nCopyright (c) <2016>\n\nuse it under the terms \
                    of the License, or\n(at your option, of course) \"any later version\n\
                    ---------\nclass,\"aa_000\",am_0\r\nneg,1,2\n";
        assert_eq!(line_of(text), 8);
        assert_eq!(line_of("Logger 7 of x\ntime;speed\n1;2\n"), 2);
    }

    #[test]
    fn header_far_below_prose_is_not_found() {
        let mut text = "some prose here\n".repeat(70);
        text.push_str("a,b\n");
        assert_eq!(line_of(&text), 1);
    }

    #[test]
    fn separator_lines_name_the_delimiter() {
        let found = |text: &str| separator_line(text.as_bytes(), &Dialect::default());
        let semicolon = Delimiter::new(b';').expect("it is a delimiter");
        assert_eq!(found("sep=;\r\na;b\n"), Some((semicolon, 7)));
        assert_eq!(found("\"SEP=;\"\n"), Some((semicolon, 8)));
        assert_eq!(found("sep=\n"), None);
        assert_eq!(found("sep,a\n"), None);
    }

    #[test]
    fn comments_are_recognised_by_their_marks() {
        assert_eq!(comment_mark(b"# a,b"), Some("#"));
        assert_eq!(comment_mark(b" // a"), Some("//"));
        assert_eq!(comment_mark(b"a#b"), None);
    }
}
