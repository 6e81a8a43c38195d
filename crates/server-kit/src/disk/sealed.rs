//! Small text files that are replaced as a whole, with a checksum in their last line.

use std::fs;
use std::io;
use std::path::Path;

use crate::disk::error::Error;
use crate::disk::private;

/// Begins the last line.
const SEAL: &str = "crc32c ";

/// Replaces a file by a text and its checksum.
pub fn save(path: &Path, text: &str) -> io::Result<()> {
    private::replace(path, sealed(text).as_bytes())
}

/// Reads a file; `None` if there is none.
///
/// `lost` says what is lost without it.
pub fn load(path: &Path, lost: &str) -> Result<Option<String>, Error> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::read(path, source)),
    };
    let text = String::from_utf8(bytes).ok();
    match text.and_then(|text| Some(unsealed(&text)?.to_owned())) {
        Some(text) => Ok(Some(text)),
        None => Err(Error::Damaged {
            path: path.to_owned(),
            offset: 0,
            lost: lost.to_owned(),
        }),
    }
}

fn sealed(text: &str) -> String {
    let line = if text.ends_with('\n') { "" } else { "\n" };
    let text = format!("{text}{line}");
    let checksum = crc32c::crc32c(text.as_bytes());
    format!("{text}{SEAL}{checksum:08x}\n")
}

fn unsealed(sealed_text: &str) -> Option<&str> {
    let (text, _) = sealed_text.rsplit_once(SEAL)?;
    (sealed(text) == sealed_text).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("numbers");
        assert_eq!(load(&path, "").unwrap(), None);
        save(&path, "1 2").unwrap();
        assert_eq!(load(&path, "").unwrap().unwrap(), "1 2\n");
        let whole = fs::read(&path).unwrap();
        for byte in 0..whole.len() {
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[byte] ^= 1 << bit;
                fs::write(&path, flipped).unwrap();
                let error = load(&path, "two numbers").unwrap_err().to_string();
                assert!(error.contains("two numbers"), "{error}");
            }
            fs::write(&path, &whole[..byte]).unwrap();
            assert!(load(&path, "").is_err());
        }
    }
}
