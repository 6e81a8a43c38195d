//! The syntax of `.env` files, as python-dotenv and Node's dotenv read them.
//!
//! Spaces, `$` and `#` inside a word need no quotes; a line that is not an assignment is skipped.
//! A library that reads all these files was not found: dotenvy rejects values with spaces and
//! replaces `$word` in passwords.
//!
//! | text | value |
//! |---|---|
//! | `export NAME = a b # comment` | `a b` |
//! | `NAME="a\n\"b\""`, perhaps over several lines | with escapes replaced |
//! | `NAME='a\n'`, perhaps over several lines | as it is |
//! | `NAME=${OTHER}/x`, also in double quotes | with the value of `OTHER`, if there is one |

use std::borrow::Cow;

/// Longest value; references can make it longer than the file.
const MAX_VALUE: usize = 64 << 10;

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    pub name: String,
    pub value: String,
    /// Counted from 1.
    pub line: usize,
}

/// Content of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    pub assignments: Vec<Assignment>,
    /// Lines that are neither an assignment nor a comment, counted from 1.
    pub skipped: Vec<usize>,
}

/// What a text starts with.
enum Statement {
    /// An empty line or a comment.
    Nothing,
    /// An assignment, and the length of its text without the end of its last line.
    Assignment {
        name: String,
        value: String,
        length: usize,
    },
    /// Something else.
    Unreadable,
}

/// Parses a file. `process` looks up variables of the process, for references.
pub fn parse(bytes: &[u8], process: impl Fn(&str) -> Option<String>) -> Content {
    let text = decode(bytes);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut content = Content::default();
    let (mut rest, mut line) = (text.as_str(), 1);
    while !rest.is_empty() {
        let known = |name: &str| {
            let earlier = content.assignments.iter().rev();
            let earlier = earlier.into_iter().find(|earlier| earlier.name == name);
            earlier.map_or_else(|| process(name), |earlier| Some(earlier.value.clone()))
        };
        let end = rest.find('\n').unwrap_or(rest.len());
        let length = match statement(rest, &rest[..end], &known) {
            Statement::Nothing => end,
            Statement::Unreadable => {
                content.skipped.push(line);
                end
            }
            Statement::Assignment {
                name,
                value,
                length,
            } => {
                content.assignments.push(Assignment { name, value, line });
                length
            }
        };
        line += rest[..length].matches('\n').count() + 1;
        rest = rest.get(length + 1..).unwrap_or_default();
    }
    content
}

/// Decodes UTF-8 and UTF-16; PowerShell writes the latter.
fn decode(bytes: &[u8]) -> Cow<'_, str> {
    let units = |pair: fn([u8; 2]) -> u16| {
        let units = bytes[2..].chunks_exact(2);
        let units = units.map(|bytes| pair([bytes[0], bytes[1]]));
        String::from_utf16_lossy(&units.collect::<Vec<u16>>()).into()
    };
    match bytes {
        [0xff, 0xfe, ..] => units(u16::from_le_bytes),
        [0xfe, 0xff, ..] => units(u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, text @ ..] | text => String::from_utf8_lossy(text),
    }
}

/// Parses the statement at the start of `text`, whose first line is `line`.
fn statement(text: &str, line: &str, known: &dyn Fn(&str) -> Option<String>) -> Statement {
    let trimmed = line.trim_start();
    if trimmed.is_empty() || trimmed.starts_with('#') {
        return Statement::Nothing;
    }
    let Some((name, after)) = line.split_once('=') else {
        return Statement::Unreadable;
    };
    let name = name.trim();
    let name = match name.strip_prefix("export") {
        Some(exported) if exported.starts_with([' ', '\t']) => exported.trim_start(),
        _ => name,
    };
    let name = name.trim_matches(['\'', '"']);
    if name.is_empty() || name.contains(|symbol: char| symbol.is_whitespace() || symbol == '#') {
        return Statement::Unreadable;
    }
    let start = line.len() - after.trim_start().len();
    let value = match text[start..].chars().next() {
        Some(quote @ ('\'' | '"')) if start < line.len() => {
            quoted(&text[start + 1..], quote).map(|(value, length)| (value, start + 1 + length))
        }
        _ => Some((unquoted(after), line.len())),
    };
    let Some((value, length)) = value else {
        return Statement::Unreadable;
    };
    let value = value.replaced(known);
    // A character in another encoding than UTF-8: the value cannot be known.
    if value.len() > MAX_VALUE || value.contains('\u{fffd}') || name.contains('\u{fffd}') {
        return Statement::Unreadable;
    }
    Statement::Assignment {
        name: name.to_owned(),
        value,
        length,
    }
}

/// Parts of a value: as they are, or a text that may have references.
#[derive(Debug, Default)]
struct Value(Vec<(String, bool)>);

impl Value {
    fn literal(&mut self, symbol: char) {
        self.push(symbol, false);
    }

    fn push(&mut self, symbol: char, with_references: bool) {
        match self.0.last_mut() {
            Some((text, like)) if *like == with_references => text.push(symbol),
            _ => self.0.push((symbol.to_string(), with_references)),
        }
    }

    /// Replaces references to variables that are known.
    fn replaced(self, known: &dyn Fn(&str) -> Option<String>) -> String {
        let mut value = String::new();
        for (text, with_references) in self.0 {
            let mut rest = text.as_str();
            while with_references
                && let Some((before, (reference, after))) = rest
                    .split_once("${")
                    .and_then(|(before, after)| Some((before, after.split_once('}')?)))
                && value.len() <= MAX_VALUE
            {
                value.push_str(before);
                match known(reference) {
                    Some(referenced) => value.push_str(&referenced),
                    None => value.extend(["${", reference, "}"]),
                }
                rest = after;
            }
            value.push_str(rest);
        }
        value
    }
}

/// Takes a value without quotes to the end of its line, or to a comment.
fn unquoted(text: &str) -> Value {
    let comment = text
        .char_indices()
        .find(|(at, symbol)| {
            *symbol == '#'
                && text[..*at]
                    .chars()
                    .next_back()
                    .is_none_or(char::is_whitespace)
        })
        .map_or(text.len(), |(at, _)| at);
    Value(vec![(text[..comment].trim().to_owned(), true)])
}

/// Takes a value up to its closing quote, and the length of its text to the end of that line;
/// `None` if the quote is not closed or something follows it.
fn quoted(text: &str, quote: char) -> Option<(Value, usize)> {
    let mut value = Value::default();
    let mut symbols = text.char_indices();
    while let Some((at, symbol)) = symbols.next() {
        match symbol {
            symbol if symbol == quote => {
                let after = &text[at + 1..];
                let end = after.find('\n').unwrap_or(after.len());
                let rest = after[..end].trim_start();
                return (rest.is_empty() || rest.starts_with('#')).then_some((value, at + 1 + end));
            }
            '\\' if quote == '"' => match symbols.next()?.1 {
                'n' => value.literal('\n'),
                'r' => value.literal('\r'),
                't' => value.literal('\t'),
                escaped @ ('"' | '\\' | '$' | '\'') => value.literal(escaped),
                other => {
                    value.literal('\\');
                    value.literal(other);
                }
            },
            symbol => value.push(symbol, quote == '"'),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the values, and the lines that were skipped.
    fn read(text: &[u8]) -> (Vec<(String, String)>, Vec<usize>) {
        let content = parse(text, |name| (name == "HOME").then(|| "/home/me".to_owned()));
        let values = content.assignments.into_iter();
        (
            values.map(|it| (it.name, it.value)).collect(),
            content.skipped,
        )
    }

    #[test]
    fn lines_of_other_programs_are_read() {
        let table: [(&str, &str); 22] = [
            ("A=1", "1"),
            ("A=", ""),
            ("A =  My App  ", "My App"),
            ("export A=b", "b"),
            ("export\tA = b", "b"),
            ("A=hello there # greeting", "hello there"),
            ("A=pa#ss", "pa#ss"),
            ("A=#comment", ""),
            ("A=a=b=c", "a=b=c"),
            ("A='a #b' # c", "a #b"),
            ("A='it\\n'", "it\\n"),
            ("A=\"it's \\\"x\\\" \\$5\\n\"", "it's \"x\" $5\n"),
            ("A='two\nlines'", "two\nlines"),
            ("A=pa$word", "pa$word"),
            ("A='${HOME}'", "${HOME}"),
            ("A=${HOME}/x", "/home/me/x"),
            ("A=\"${HOME}\"", "/home/me"),
            ("A=\"\\${HOME}\"", "${HOME}"),
            ("A=${UNKNOWN}", "${UNKNOWN}"),
            ("A=C:\\temp", "C:\\temp"),
            (
                "A=mongodb+srv://u:p%40@h/?a=b&c=d",
                "mongodb+srv://u:p%40@h/?a=b&c=d",
            ),
            ("'A'=x", "x"),
        ];
        for (text, value) in table {
            let (values, skipped) = read(format!("{text}\nB=2\r\n").as_bytes());
            let expected = [("A", value), ("B", "2")];
            let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
            assert_eq!(values, expected, "{text}");
            assert!(skipped.is_empty(), "{text}");
        }
    }

    #[test]
    fn lines_that_are_not_assignments_are_skipped_alone() {
        for line in [
            "no assignment",
            "export",
            "=value",
            "MY NAME=value",
            "A='not closed",
            "A=\"not closed",
            "A='a' b",
            "A=\"a\\",
            "- yaml: x",
            "\u{0}",
        ] {
            let (values, skipped) = read(format!("# first\n{line}\nB=2\n").as_bytes());
            let expected = [("B".to_owned(), "2".to_owned())];
            assert_eq!(
                (values.as_slice(), skipped),
                (&expected[..], vec![2]),
                "{line}"
            );
        }
    }

    #[test]
    fn encodings_and_line_ends_of_editors_are_read() {
        let units = |text: &str| text.encode_utf16().collect::<Vec<u16>>();
        let little = units("\u{feff}A=1\r\n")
            .into_iter()
            .flat_map(u16::to_le_bytes);
        let big = units("\u{feff}A=1\n")
            .into_iter()
            .flat_map(u16::to_be_bytes);
        let texts = [
            b"\xef\xbb\xbfA=1\n".to_vec(),
            little.collect(),
            big.collect(),
            b"A=1\r# caf\xe9\r".to_vec(),
            b"\n\n  A=1".to_vec(),
        ];
        for text in texts {
            let expected = (vec![("A".to_owned(), "1".to_owned())], vec![]);
            assert_eq!(read(&text), expected, "{text:?}");
        }
        assert_eq!(read(b"A=caf\xe9\n"), (vec![], vec![1]));
    }

    #[test]
    fn references_cannot_grow_without_bound() {
        let mut text = "A0=0123456789\n".to_owned();
        for number in 1..64 {
            let before = number - 1;
            text.push_str(&format!("A{number}=${{A{before}}}${{A{before}}}\n"));
        }
        let (values, skipped) = read(text.as_bytes());
        assert!(values.iter().all(|(_, value)| value.len() <= MAX_VALUE));
        assert!(!skipped.is_empty());
    }
}
