//! Decodes text to UTF-8 while it is read.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult};

use crate::dataset::options::TextEncoding;

/// Size of the buffers.
const BUFFER: usize = 64 << 10;

/// A byte that the encoding does not allow; inside an [`io::Error`].
#[derive(Debug, thiserror::Error)]
#[error("byte {byte} is not valid {encoding}")]
pub(super) struct Malformed {
    /// Offset in the encoded text.
    pub(super) byte: u64,
    pub(super) encoding: TextEncoding,
}

/// Text in UTF-8, decoded from another encoding.
pub(super) struct Transcoder<R> {
    input: R,
    decoder: Decoder,
    encoding: TextEncoding,
    /// Bytes that are not decoded yet, from `start` on.
    encoded: Vec<u8>,
    start: usize,
    /// Offset of `start` in the encoded text.
    byte: u64,
    /// Whether `encoded` ends with the end of the input.
    ended: bool,
    decoded: Vec<u8>,
    /// Number of bytes of `decoded` that were read.
    given: usize,
    malformed: bool,
}

impl<R: Read> Transcoder<R> {
    pub(super) fn new(input: R, encoding: TextEncoding) -> Self {
        Self {
            input,
            decoder: encoding.0.new_decoder_with_bom_removal(),
            encoding,
            encoded: Vec::new(),
            start: 0,
            byte: 0,
            ended: false,
            decoded: Vec::new(),
            given: 0,
            malformed: false,
        }
    }

    /// Decodes the next bytes; decodes none at the end.
    fn decode(&mut self) -> io::Result<()> {
        self.decoded.resize(BUFFER, 0);
        self.given = 0;
        let mut written = 0;
        while written == 0 && !self.malformed {
            if self.start == self.encoded.len() && !self.ended {
                self.fill()?;
            }
            let encoded = self.encoded.get(self.start..).unwrap_or_default();
            let (result, read, decoded) = self.decoder.decode_to_utf8_without_replacement(
                encoded,
                &mut self.decoded,
                self.ended,
            );
            self.start += read;
            self.byte += read as u64;
            written = decoded;
            self.malformed = matches!(result, DecoderResult::Malformed(..));
            if self.ended && result == DecoderResult::InputEmpty {
                break;
            }
        }
        self.decoded.truncate(written);
        Ok(())
    }

    fn fill(&mut self) -> io::Result<()> {
        self.encoded.clear();
        self.start = 0;
        (&mut self.input)
            .take(BUFFER as u64)
            .read_to_end(&mut self.encoded)?;
        self.ended = self.encoded.is_empty();
        Ok(())
    }
}

impl<R: Read> Read for Transcoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.decoded.len() && !self.malformed && !buffer.is_empty() {
            self.decode()?;
        }
        let left = self.decoded.get(self.given..).unwrap_or_default();
        if left.is_empty() && self.malformed {
            let malformed = Malformed {
                byte: self.byte.saturating_sub(1),
                encoding: self.encoding,
            };
            return Err(io::Error::new(io::ErrorKind::InvalidData, malformed));
        }
        let length = left.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..length), left.get(..length)) {
            to.copy_from_slice(from);
        }
        self.given += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8], encoding: &str) -> io::Result<String> {
        let encoding = encoding.parse().expect("it is an encoding");
        let mut text = String::new();
        Transcoder::new(bytes, encoding).read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn text_is_decoded_across_buffers() {
        let text = "a,ü,😀\n".repeat(30_000);
        let bytes = text.encode_utf16().flat_map(u16::to_le_bytes);
        let bytes: Vec<u8> = [0xff, 0xfe].into_iter().chain(bytes).collect();
        assert_eq!(decoded(&bytes, "utf-16le").expect("it is valid"), text);
        assert_eq!(decoded(b"\xb0C", "latin1").expect("it is valid"), "°C");
        assert_eq!(decoded(b"", "latin1").expect("it is valid"), "");
    }

    #[test]
    fn malformed_text_has_a_position() {
        let error = decoded(b"a\0\0\xd8b\0", "utf-16le").expect_err("a lone surrogate");
        assert!(
            error.to_string().contains("is not valid UTF-16LE"),
            "{error}"
        );
        let error = decoded(b"a\0b", "utf-16le").expect_err("half a unit");
        assert!(error.to_string().contains("byte 2"), "{error}");
    }
}
