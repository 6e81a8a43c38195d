//! Files that tell other programs of the servers: `--write-env` and `--ready-file`.
//!
//! A file appears whole or not at all. Its first line says that convoy wrote it; another file is
//! never overwritten unless `--force` allows it.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// First line of the files.
const MARK: &str = "# written by `convoy up`";

/// Fails if a file of another program is at the path.
pub fn check(path: &Path, force: bool) -> Result<(), Error> {
    if force || is_ours(path).map_err(|source| failed(path, source))? {
        return Ok(());
    }
    Err(Error::Occupied {
        path: path.to_owned(),
    })
}

/// Writes a file that only its owner can read.
pub fn write(path: &Path, text: &str, force: bool) -> Result<(), Error> {
    check(path, force)?;
    let directory = path.parent().filter(|it| !it.as_os_str().is_empty());
    let directory = directory.unwrap_or_else(|| Path::new("."));
    let written = || {
        // Its mode is 0600.
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        write!(file, "{MARK}\n{text}")?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    written().map_err(|source| failed(path, source))
}

fn failed(path: &Path, source: io::Error) -> Error {
    Error::WriteFile {
        path: path.to_owned(),
        source,
    }
}

/// Returns whether nothing is at the path, or a file that convoy wrote.
fn is_ours(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
        Ok(found) if !found.is_file() => return Ok(false),
        Ok(_) => {}
    }
    let mut line = Vec::new();
    let start = File::open(path)?.take(1 << 10);
    BufReader::new(start).read_until(b'\n', &mut line)?;
    Ok(line.trim_ascii_end() == MARK.as_bytes())
}

/// The file that exists while the servers are ready.
#[derive(Debug)]
pub struct ReadyFile(PathBuf);

impl ReadyFile {
    /// Writes the process id of convoy to a file.
    pub fn write(path: &Path, force: bool) -> Result<Self, Error> {
        write(path, &format!("{}\n", std::process::id()), force)?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for ReadyFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::warn!(%error, path = %self.0.display(), "failed to remove the ready file");
        }
    }
}

/// Returns the line of a variable in a `.env`.
pub fn env_line(name: &str, value: &str) -> String {
    format!("{name}={}\n", quote(value))
}

/// Quotes a value for a `.env` if it contains special characters.
fn quote(value: &str) -> String {
    let plain = |symbol: char| symbol.is_ascii_alphanumeric() || "-_.:/@%?=".contains(symbol);
    if value.chars().all(plain) {
        value.to_owned()
    } else if value.contains(['\'', '\\']) {
        let mut quoted = String::from('"');
        for symbol in value.chars() {
            if matches!(symbol, '"' | '\\' | '$') {
                quoted.push('\\');
            }
            quoted.push(symbol);
        }
        quoted.push('"');
        quoted
    } else {
        format!("'{value}'")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn only_own_files_are_overwritten() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("up.env");
        for text in ["A=1\n", "A=2\n"] {
            write(&path, text, false).unwrap();
            assert_eq!(
                fs::read_to_string(&path).unwrap(),
                format!("{MARK}\n{text}")
            );
        }
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        for other in ["", "A=1\n", "\u{feff}# written by `convoy up`\n"] {
            fs::write(&path, other).unwrap();
            let error = write(&path, "A=3\n", false).unwrap_err();
            assert!(error.to_string().contains("up.env"), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), other);
        }
        write(&path, "A=3\n", true).unwrap();
        let link = place.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(
            write(&link, "A=4\n", false).is_err(),
            "links are not followed"
        );
        assert!(write(place.path(), "A=4\n", false).is_err());
    }

    #[test]
    fn ready_file_is_removed_at_the_end() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("ready");
        let ready = ReadyFile::write(&path, false).unwrap();
        assert!(path.exists());
        drop(ready);
        assert!(!path.exists());
    }

    #[test]
    fn values_with_special_characters_are_quoted() {
        let quoted = ["driver", "mongodb://127.0.0.1:27017", "a #b$c\"", "it's $5"].map(quote);
        insta::assert_snapshot!(quoted.join("\n"), @r#"
        driver
        mongodb://127.0.0.1:27017
        'a #b$c"'
        "it's \$5"
        "#);
    }
}
