//! The last line that a program has written, for messages about its end.

use std::borrow::Cow;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use convoy_server_kit::Secret;
use percent_encoding::percent_decode_str;

/// Bytes at the end of a file that are read.
const TAIL: u64 = 4 * 1024;

/// Characters of a line that are shown.
const SHOWN: usize = 200;

/// User or password that is none.
const PLACEHOLDER: &str = "anyone";

/// Returns the last line of a file that is not empty; `None` if there is none, or if it has a secret of
/// one of the variables.
pub(super) fn last_line(path: &Path, variables: &[(&'static str, Secret)]) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))
        .ok()?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail).ok()?;
    let tail = String::from_utf8_lossy(&tail);
    let line = tail.lines().rfind(|line| !line.trim().is_empty())?.trim();
    if variables.iter().any(|it| has_secret(line, it.0, &it.1)) {
        return None;
    }
    let printable = line.chars().filter(|symbol| !symbol.is_control());
    Some(printable.take(SHOWN).collect())
}

/// Returns whether a line has the secret of a variable: its value, or the password in its URL.
fn has_secret(line: &str, name: &str, value: &Secret) -> bool {
    let value = value.reveal();
    let secret = if name.contains("SECRET") {
        value
    } else {
        let authority = value.split_once("://").map_or(value, |(_, rest)| rest);
        let user = authority.rsplit_once('@').map(|(user, _)| user);
        let password = user.and_then(|user| user.split_once(':'));
        password.map_or("", |(_, password)| password)
    };
    let decoded = percent_decode_str(secret).decode_utf8();
    let forms = [Cow::Borrowed(secret), decoded.unwrap_or_default()];
    forms
        .iter()
        .any(|form| !form.is_empty() && form != PLACEHOLDER && line.contains(&**form))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn shown(output: &str) -> Option<String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), output).unwrap();
        let variables = [
            ("API_SECRET_KEY", Secret::new("hunter2".to_owned())),
            (
                "SCHEMA_REGISTRY_API_SECRET",
                Secret::new("anyone".to_owned()),
            ),
            (
                "MONGO_DB_URL",
                Secret::new("mongodb://me:p%40ss@host:1/".to_owned()),
            ),
        ];
        last_line(file.path(), &variables)
    }

    #[test]
    fn last_line_that_is_not_empty_is_shown_without_control_characters() {
        for (output, expected) in [
            ("", None),
            ("\n \n", None),
            ("one\ntwo\n\n", Some("two")),
            ("one\r\n\x1b[31mtwo\x1b[0m", Some("[31mtwo[0m")),
            ("for anyone", Some("for anyone")),
        ] {
            assert_eq!(shown(output).as_deref(), expected, "{output:?}");
        }
        let long = "é".repeat(10_000);
        assert_eq!(shown(&long).unwrap().chars().count(), SHOWN);
    }

    #[test]
    fn line_with_a_secret_is_not_shown() {
        for line in ["password hunter2", "at mongodb://me:p%40ss@host", "p@ss"] {
            assert_eq!(shown(line), None, "{line}");
        }
    }
}
