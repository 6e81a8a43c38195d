//! Locates the header: after a byte order mark, blank lines and, in some published files, a licence
//! text.

/// Maximum lines of a preamble. The original APS files have 20.
const PREAMBLE_LINES: usize = 64;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Start of a file's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Start {
    /// Offset of the first byte.
    pub(super) byte: usize,
    /// Line from 1.
    pub(super) line: u64,
}

/// Finds the header in the first bytes of a file.
///
/// The header is the first line that is not blank. But if that line is prose (one field that is not
/// a plain name), the header is the next line of two or more fields that are all plain names, if
/// there is one nearby. So a row is never read as a header, and a preamble never as a row.
pub(super) fn locate(prefix: &[u8]) -> Start {
    let mark = usize::from(prefix.starts_with(BYTE_ORDER_MARK)) * BYTE_ORDER_MARK.len();
    let mut lines = Lines {
        rest: prefix.get(mark..).unwrap_or_default(),
        next: Start {
            byte: mark,
            line: 1,
        },
    }
    .filter(|(_start, line)| !line.trim_ascii().is_empty());
    let Some((first, line)) = lines.next() else {
        return Start {
            byte: mark,
            line: 1,
        };
    };
    if line.contains(&b',') || is_name(line.trim_ascii_end()) {
        return first;
    }
    lines
        .take_while(|(start, _line)| start.line <= first.line + PREAMBLE_LINES as u64)
        .find(|(_start, line)| line.contains(&b',') && line.split(|&b| b == b',').all(is_name))
        .map_or(first, |(start, _line)| start)
}

/// Returns whether a field is a plain column name, quoted or not.
fn is_name(field: &[u8]) -> bool {
    let field = field.trim_ascii_end();
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
    next: Start,
}

impl<'a> Iterator for Lines<'a> {
    type Item = (Start, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let end = self.rest.iter().position(|&b| b == b'\n');
        let length = end.map_or(self.rest.len(), |end| end + 1);
        let (line, rest) = self.rest.split_at(length);
        let start = self.next;
        self.rest = rest;
        self.next = Start {
            byte: start.byte + length,
            line: start.line + 1,
        };
        Some((start, line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line_of(text: &str) -> u64 {
        let start = locate(text.as_bytes());
        let line = text[..start.byte].split('\n').count();
        assert_eq!(start.line, line as u64, "line and byte agree");
        start.line
    }

    #[test]
    fn first_line_is_the_header_unless_it_is_prose() {
        assert_eq!(line_of("class,aa_000\nneg,1\n"), 1);
        assert_eq!(line_of("only\na,b\n"), 1);
        assert_eq!(line_of("Engine temperature,Oil\na,b\n"), 1);
        assert_eq!(line_of("\n\r\n a,b\n1,2\n"), 3);
        assert_eq!(line_of("Engine temperature\n80\n"), 1);
        assert_eq!(line_of(""), 1);
    }

    #[test]
    fn licence_text_is_skipped_until_the_first_line_of_names() {
        let text = "This is part of some data.\n\nCopyright (c) <2016>\n\nuse it under the terms \
                    of the License, or\n(at your option, of course) \"any later version\n\
                    ---------\nclass,\"aa_000\",am_0\r\nneg,1,2\n";
        assert_eq!(line_of(text), 8);
    }

    #[test]
    fn byte_order_mark_is_skipped() {
        assert_eq!(locate(b"\xef\xbb\xbfa,b\n").byte, 3);
        assert_eq!(locate(b"\xef\xbb\xbf").byte, 3);
    }

    #[test]
    fn header_far_below_prose_is_not_found() {
        let mut text = "some prose here\n".repeat(70);
        text.push_str("a,b\n");
        assert_eq!(line_of(&text), 1);
    }
}
