//! Frames of a file, each with a checksum of its header and one of its payload.
//!
//! ```text
//! file   := magic 7, version u8, number u32, salt u32, salt u32, crc32c u32, frame*
//! frame  := marker 4, length u32, crc32c of the payload u32, tag 16, crc32c of the header u32, payload
//! ```
//!
//! All numbers are little-endian. The checksum of a frame's header starts with the file's salt, so
//! that a payload cannot contain a valid header. The header says how long the payload is and what it
//! is about, also if the payload is damaged; the marker finds the next header if this one is. The
//! salt is there twice because without it no frame could be read.

use std::io::IoSlice;

/// Bytes before the first frame.
pub const FILE_HEADER_BYTES: usize = 24;

/// Bytes before a payload.
pub const FRAME_HEADER_BYTES: usize = 32;

/// Bytes of a tag.
pub const TAG_BYTES: usize = 16;

/// First bytes of a frame.
const MARKER: [u8; 4] = [0xF7, b'c', b'v', 0x0A];

/// The part of a frame's header that the checksum covers.
const CHECKED_BYTES: usize = FRAME_HEADER_BYTES - 4;

/// What a frame is about, in the words of the server that wrote it; readable if the payload is not.
pub type Tag = [u8; TAG_BYTES];

/// The kind of a file and the version of its format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// First bytes of the file.
    pub magic: [u8; 7],
    /// Version, as an ASCII digit.
    pub version: u8,
    /// First bytes of files in earlier formats.
    pub earlier: &'static [&'static [u8]],
}

/// The first bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileHeader {
    /// Number of the file among those of its kind.
    pub number: u32,
    /// Start value of the checksums of frame headers.
    pub salt: u32,
}

/// Why a file cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// An earlier version of convoy wrote it.
    Earlier,
    /// A later version of convoy wrote it.
    Later {
        /// Version of its format.
        version: u8,
    },
    /// The first bytes are damaged.
    Damaged,
}

impl FileHeader {
    /// Returns the header of a new file, with a random salt.
    pub fn new(number: u32) -> Self {
        let salt = rand::random();
        Self { number, salt }
    }

    /// Returns the bytes of the header.
    pub fn bytes(&self, format: &Format) -> [u8; FILE_HEADER_BYTES] {
        let mut bytes = [0; FILE_HEADER_BYTES];
        let salt = self.salt.to_le_bytes();
        bytes[..7].copy_from_slice(&format.magic);
        bytes[7] = format.version;
        bytes[8..12].copy_from_slice(&self.number.to_le_bytes());
        bytes[12..16].copy_from_slice(&salt);
        bytes[16..20].copy_from_slice(&salt);
        let checksum = crc32c::crc32c(&bytes[..20]);
        bytes[20..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads the header of a file that starts with these bytes.
    pub fn read(bytes: &[u8], format: &Format) -> Result<Self, Unreadable> {
        let Some(header) = bytes.first_chunk::<FILE_HEADER_BYTES>() else {
            return Err(earlier(bytes, format).unwrap_or(Unreadable::Damaged));
        };
        let [.., a, b, c, d] = *header;
        if crc32c::crc32c(&header[..20]) != u32::from_le_bytes([a, b, c, d]) {
            return Err(earlier(bytes, format).unwrap_or(Unreadable::Damaged));
        }
        if header[..7] != format.magic {
            return Err(Unreadable::Damaged);
        }
        match header[7] {
            version if version == format.version => Ok(Self {
                number: number_at(header, 8),
                salt: number_at(header, 12),
            }),
            version if version > format.version => Err(Unreadable::Later { version }),
            _ => Err(Unreadable::Earlier),
        }
    }

    /// Returns the salts that a damaged header may stand for.
    pub fn salts(bytes: &[u8]) -> Vec<u32> {
        let header = bytes.first_chunk::<FILE_HEADER_BYTES>();
        let both = header.map(|header| vec![number_at(header, 12), number_at(header, 16)]);
        both.unwrap_or_default()
    }
}

fn earlier(bytes: &[u8], format: &Format) -> Option<Unreadable> {
    let known = |first: &&[u8]| bytes.starts_with(first);
    let found = format.earlier.iter().any(known);
    found.then_some(Unreadable::Earlier)
}

/// The header of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// Bytes of the payload.
    pub length: u32,
    /// Checksum of the payload.
    pub checksum: u32,
    /// What the payload is about.
    pub tag: Tag,
}

impl FrameHeader {
    /// Returns the header of a payload that comes in parts.
    pub fn of(tag: Tag, parts: &[IoSlice<'_>]) -> Self {
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        Self {
            length: u32::try_from(length).unwrap_or(u32::MAX),
            checksum: parts
                .iter()
                .fold(0, |sum, part| crc32c::crc32c_append(sum, part)),
            tag,
        }
    }

    /// Returns the bytes of the header.
    pub fn bytes(&self, salt: u32) -> [u8; FRAME_HEADER_BYTES] {
        let mut bytes = [0; FRAME_HEADER_BYTES];
        bytes[..4].copy_from_slice(&MARKER);
        bytes[4..8].copy_from_slice(&self.length.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.checksum.to_le_bytes());
        bytes[12..CHECKED_BYTES].copy_from_slice(&self.tag);
        let checksum = crc32c::crc32c_append(salt, &bytes[..CHECKED_BYTES]);
        bytes[CHECKED_BYTES..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads a header; `None` if it is damaged.
    pub fn read(bytes: &[u8; FRAME_HEADER_BYTES], salt: u32) -> Option<Self> {
        let header = Self::fields(bytes);
        (header.bytes(salt) == *bytes).then_some(header)
    }

    /// Returns whether the payload is what was written.
    pub fn fits(&self, payload: &[u8]) -> bool {
        self.size() == payload.len() && crc32c::crc32c(payload) == self.checksum
    }

    /// Returns the bytes of the payload.
    pub fn size(&self) -> usize {
        usize::try_from(self.length).unwrap_or(usize::MAX)
    }

    /// Returns the bytes of the frame.
    pub fn frame_size(&self) -> usize {
        self.size().saturating_add(FRAME_HEADER_BYTES)
    }

    /// Returns the header that a damaged one was, if the payload proves it.
    ///
    /// One damaged field is made up for: length and checksum follow from the payload, and a damaged
    /// byte of the tag from the header's checksum. If neither is damaged, that checksum is.
    pub(super) fn mend(
        bytes: &[u8; FRAME_HEADER_BYTES],
        payload: &[u8],
        salt: u32,
    ) -> Option<Self> {
        let stated = Self::fields(bytes);
        let mended = Self {
            length: u32::try_from(payload.len()).ok()?,
            checksum: crc32c::crc32c(payload),
            tag: stated.tag,
        };
        let checksum = &bytes[CHECKED_BYTES..];
        if mended.bytes(salt)[CHECKED_BYTES..] == *checksum {
            return Some(mended);
        }
        let payload_fits = mended.checksum == stated.checksum && mended.length == stated.length;
        payload_fits.then(|| mended.with_tag_mended(checksum, salt))
    }

    /// Returns the header with the one byte of its tag changed that makes the checksum fit.
    fn with_tag_mended(self, checksum: &[u8], salt: u32) -> Self {
        let mut candidate = self;
        for byte in 0..TAG_BYTES {
            for change in 1..=u8::MAX {
                candidate.tag[byte] = self.tag[byte] ^ change;
                if candidate.bytes(salt)[CHECKED_BYTES..] == *checksum {
                    return candidate;
                }
            }
            candidate.tag[byte] = self.tag[byte];
        }
        self
    }

    fn fields(bytes: &[u8; FRAME_HEADER_BYTES]) -> Self {
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(&bytes[12..CHECKED_BYTES]);
        Self {
            length: number_at(bytes, 4),
            checksum: number_at(bytes, 8),
            tag,
        }
    }
}

/// Returns the position of the next valid header at or after `from`.
///
/// Takes time in proportion to the bytes: only the marker's first byte makes it look closer, and a
/// look covers one header.
pub(super) fn find_header(bytes: &[u8], mut from: usize, salt: u32) -> Option<usize> {
    loop {
        let rest = bytes.get(from..)?;
        let at = rest.iter().position(|byte| *byte == MARKER[0])?;
        let header = rest.get(at..)?.first_chunk::<FRAME_HEADER_BYTES>()?;
        if header.starts_with(&MARKER) && FrameHeader::read(header, salt).is_some() {
            return Some(from + at);
        }
        from += at + 1;
    }
}

fn number_at(bytes: &[u8], at: usize) -> u32 {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk());
    u32::from_le_bytes(field.copied().unwrap_or_default())
}
