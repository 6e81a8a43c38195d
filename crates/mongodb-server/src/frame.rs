//! Messages of the wire protocol.
//!
//! ```text
//! header   := length i32, request id i32, response to i32, opcode i32      length counts itself
//! OP_MSG   := flags u32, section*, [crc32c u32]
//! section  := 0 document                          the command
//!           | 1 length i32, name cstring, document*   one of its array arguments
//! OP_QUERY := flags i32, collection cstring, skip i32, return i32, document     hello only
//! ```
//!
//! # References
//!
//! <https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/>,
//! <https://github.com/mongodb/specifications/blob/master/source/message/OP_MSG.md>

#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use bytes::Buf;

use crate::bson::{Doc, Invalid, validate};

/// Bytes of the header.
pub const HEADER_BYTES: usize = 16;

const OP_REPLY: i32 = 1;
const OP_QUERY: i32 = 2004;
const OP_MSG: i32 = 2013;

const FLAG_CHECKSUM: u32 = 1;
const FLAG_MORE_TO_COME: u32 = 1 << 1;

/// Flags that a receiver must reject if it does not know them.
const REQUIRED_FLAGS: u32 = 0xFFFF;

/// A message is invalid. The connection is closed after it, except after [`Error::Document`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The length is less than a header or more than allowed.
    #[error("message length {length} is not between {HEADER_BYTES} and {limit} bytes")]
    Length {
        /// The length in the header.
        length: i32,
        /// Largest accepted length.
        limit: usize,
    },
    /// The opcode is not supported.
    #[error("opcode {0} is not supported")]
    Opcode(i32),
    /// A required flag is unknown.
    #[error("message flags {0:#x} are not supported")]
    Flags(u32),
    /// A section ends too late, or the command is missing.
    #[error("the message ends within a section")]
    Torn,
    /// The checksum is wrong.
    #[error("the checksum of the message is wrong")]
    Checksum,
    /// A section has an unknown kind, or there are two commands.
    #[error("unexpected message section {0}")]
    Section(u8),
    /// The command is not valid BSON.
    #[error("the command is not valid BSON")]
    Document(#[source] Invalid),
}

/// The first bytes of every message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Length of the whole message in bytes.
    pub length: usize,
    /// Number that a reply refers to.
    pub request_id: i32,
    opcode: i32,
}

/// A message as it was received.
#[derive(Debug)]
pub struct Frame {
    pub header: Header,
    /// The header's bytes, which a checksum covers.
    pub header_bytes: [u8; HEADER_BYTES],
    /// The bytes after the header.
    pub body: Vec<u8>,
}

impl Frame {
    /// Reads the request.
    pub fn request(&self) -> Result<Request<'_>, Error> {
        Request::read(self.header, &self.header_bytes, &self.body)
    }
}

/// The protocol of a request and of its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `OP_MSG`.
    Message,
    /// `OP_QUERY`, with which older clients begin a connection.
    Query,
}

/// A request: a command and its message sections.
#[derive(Debug)]
pub struct Request<'a> {
    pub protocol: Protocol,
    /// Whether the client expects no reply.
    pub unacknowledged: bool,
    pub command: Doc<'a>,
    /// Array arguments in sections of their own: name and documents. They are not validated yet.
    pub sequences: Vec<(&'a str, &'a [u8])>,
    /// The database of a legacy query.
    pub query_database: Option<&'a str>,
}

impl Header {
    /// Reads a header; `limit` is the largest accepted length of a message.
    pub fn read(bytes: [u8; HEADER_BYTES], limit: usize) -> Result<Self, Error> {
        let mut reader = Reader(&bytes);
        let length = reader.i32()?;
        let request_id = reader.i32()?;
        let _response_to = reader.i32()?;
        let opcode = reader.i32()?;
        let valid = usize::try_from(length)
            .ok()
            .filter(|length| (HEADER_BYTES..=limit).contains(length));
        Ok(Self {
            length: valid.ok_or(Error::Length { length, limit })?,
            request_id,
            opcode,
        })
    }
}

impl<'a> Request<'a> {
    /// Reads the bytes after the header. The command is validated, the documents of sections are not.
    pub fn read(header: Header, header_bytes: &[u8], body: &'a [u8]) -> Result<Self, Error> {
        match header.opcode {
            OP_MSG => Self::read_message(header_bytes, body),
            OP_QUERY => Self::read_query(body),
            opcode => Err(Error::Opcode(opcode)),
        }
    }

    fn read_message(header_bytes: &[u8], body: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader(body);
        let flags = reader.u32()?;
        if flags & REQUIRED_FLAGS & !(FLAG_CHECKSUM | FLAG_MORE_TO_COME) != 0 {
            return Err(Error::Flags(flags));
        }
        if flags & FLAG_CHECKSUM != 0 {
            let (contents, checksum) = body.split_last_chunk::<4>().ok_or(Error::Torn)?;
            let computed = crc32c::crc32c_append(crc32c::crc32c(header_bytes), contents);
            if computed != u32::from_le_bytes(*checksum) {
                return Err(Error::Checksum);
            }
            reader = Reader(contents.get(4..).ok_or(Error::Torn)?);
        }
        let mut command = None;
        let mut sequences = Vec::new();
        while !reader.0.is_empty() {
            match reader.u8()? {
                0 if command.is_none() => command = Some(reader.document()?),
                1 => sequences.push(reader.sequence()?),
                kind => return Err(Error::Section(kind)),
            }
        }
        Ok(Self {
            protocol: Protocol::Message,
            unacknowledged: flags & FLAG_MORE_TO_COME != 0,
            command: command.ok_or(Error::Torn)?,
            sequences,
            query_database: None,
        })
    }

    fn read_query(body: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader(body);
        let _flags = reader.i32()?;
        let collection = reader.cstring()?;
        let _skip = reader.i32()?;
        let _return = reader.i32()?;
        let command = reader.document()?;
        Ok(Self {
            protocol: Protocol::Query,
            unacknowledged: false,
            command,
            sequences: Vec::new(),
            query_database: Some(collection.strip_suffix(".$cmd").unwrap_or(collection)),
        })
    }
}

/// A reply.
#[derive(Debug)]
pub struct Reply {
    head: Vec<u8>,
    document: Vec<u8>,
}

impl Reply {
    /// Returns the reply to a request.
    pub fn new(protocol: Protocol, response_to: i32, document: Vec<u8>) -> Self {
        let opcode = match protocol {
            Protocol::Message => OP_MSG,
            Protocol::Query => OP_REPLY,
        };
        let mut head = vec![0; 8];
        head.extend_from_slice(&response_to.to_le_bytes());
        head.extend_from_slice(&opcode.to_le_bytes());
        match protocol {
            // No flags; one section, the document.
            Protocol::Message => head.extend_from_slice(&[0, 0, 0, 0, 0]),
            Protocol::Query => {
                // Flag 8: `awaitData` is supported; no cursor, starting from 0, one document.
                head.extend_from_slice(&8_i32.to_le_bytes());
                head.extend_from_slice(&0_i64.to_le_bytes());
                head.extend_from_slice(&0_i32.to_le_bytes());
                head.extend_from_slice(&1_i32.to_le_bytes());
            }
        }
        let length = head.len().saturating_add(document.len());
        let length = i32::try_from(length).unwrap_or(i32::MAX);
        if let Some(prefix) = head.first_chunk_mut::<4>() {
            *prefix = length.to_le_bytes();
        }
        Self { head, document }
    }

    /// Returns the bytes to send, in two pieces.
    pub fn bytes(&self) -> impl Buf {
        self.head.as_slice().chain(self.document.as_slice())
    }
}

/// Reads values from the start of bytes.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (chunk, rest) = self.0.split_first_chunk().ok_or(Error::Torn)?;
        self.0 = rest;
        Ok(*chunk)
    }

    fn u8(&mut self) -> Result<u8, Error> {
        self.chunk().map(u8::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, Error> {
        self.chunk().map(u32::from_le_bytes)
    }

    fn i32(&mut self) -> Result<i32, Error> {
        self.chunk().map(i32::from_le_bytes)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Error::Torn)?;
        self.0 = rest;
        Ok(taken)
    }

    fn cstring(&mut self) -> Result<&'a str, Error> {
        let end = self.0.iter().position(|&byte| byte == 0);
        let text = self.take(end.ok_or(Error::Torn)?)?;
        self.u8()?;
        std::str::from_utf8(text).map_err(|_invalid| Error::Torn)
    }

    fn document(&mut self) -> Result<Doc<'a>, Error> {
        let (document, rest) = validate::split_document(self.0).map_err(Error::Document)?;
        self.0 = rest;
        Ok(Doc::new(document))
    }

    fn sequence(&mut self) -> Result<(&'a str, &'a [u8]), Error> {
        let length = usize::try_from(self.i32()?).map_err(|_negative| Error::Torn)?;
        let mut section = Self(self.take(length.checked_sub(4).ok_or(Error::Torn)?)?);
        let name = section.cstring()?;
        Ok((name, section.0))
    }
}

#[cfg(test)]
#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests may panic"
)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bson::{Builder, strategies};

    fn header(opcode: i32, body: &[u8]) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        let length = i32::try_from(HEADER_BYTES + body.len()).expect("test messages are small");
        header[..4].copy_from_slice(&length.to_le_bytes());
        header[4..8].copy_from_slice(&7_i32.to_le_bytes());
        header[12..].copy_from_slice(&opcode.to_le_bytes());
        header
    }

    fn read(opcode: i32, body: &[u8]) -> Result<Request<'_>, Error> {
        let bytes = header(opcode, body);
        Request::read(Header::read(bytes, 1 << 20)?, &bytes, body)
    }

    fn message(flags: u32, command: &[u8], sequence: &[u8]) -> Vec<u8> {
        let mut body = flags.to_le_bytes().to_vec();
        body.push(0);
        body.extend_from_slice(command);
        body.push(1);
        let length = i32::try_from(sequence.len() + 9).expect("test messages are small");
        body.extend_from_slice(&length.to_le_bytes());
        body.extend_from_slice(b"docs\0");
        body.extend_from_slice(sequence);
        body
    }

    #[test]
    fn length_outside_of_the_limits_is_rejected() {
        for length in [i32::MIN, -1, 0, 15, 1_000_001, i32::MAX] {
            let mut bytes = [0; HEADER_BYTES];
            bytes[..4].copy_from_slice(&length.to_le_bytes());
            let refused = Header::read(bytes, 1_000_000);
            assert!(matches!(refused, Err(Error::Length { .. })), "{length}");
        }
    }

    #[test]
    fn wrong_checksum_is_rejected() {
        let mut body = message(FLAG_CHECKSUM, Doc::EMPTY.bytes(), &[]);
        body.extend_from_slice(&[0; 4]);
        let computed = crc32c::crc32c_append(
            crc32c::crc32c(&header(OP_MSG, &body)),
            &body[..body.len() - 4],
        );
        assert!(matches!(read(OP_MSG, &body), Err(Error::Checksum)));
        let end = body.len() - 4;
        body[end..].copy_from_slice(&computed.to_le_bytes());
        assert!(read(OP_MSG, &body).is_ok());
    }

    #[test]
    fn unknown_flags_opcodes_and_sections_are_rejected() {
        let body = message(1 << 5, Doc::EMPTY.bytes(), &[]);
        assert!(matches!(read(OP_MSG, &body), Err(Error::Flags(_))));
        assert!(matches!(read(2012, &body), Err(Error::Opcode(2012))));
        let body = [0, 0, 0, 0, 9];
        assert!(matches!(read(OP_MSG, &body), Err(Error::Section(9))));
    }

    #[test]
    fn reply_has_its_length_and_the_id_of_its_request() {
        let document = Builder::new().int32("ok", 1).finish();
        for protocol in [Protocol::Message, Protocol::Query] {
            let reply = Reply::new(protocol, 7, document.clone());
            let bytes = reply.bytes().copy_to_bytes(reply.bytes().remaining());
            let length = i32::try_from(bytes.len()).expect("test messages are small");
            assert_eq!(bytes[..4], length.to_le_bytes());
            assert_eq!(bytes[8..12], 7_i32.to_le_bytes());
            assert!(bytes.ends_with(&document));
        }
    }

    proptest! {
        #[test]
        fn message_is_read_and_its_prefixes_are_not_mistaken_for_it(
            command in strategies::document(), sequence in strategies::document()
        ) {
            let body = message(0, &command, &sequence);
            let request = read(OP_MSG, &body).expect("a valid message");
            prop_assert_eq!(request.command.bytes(), &command[..]);
            prop_assert_eq!(&request.sequences, &vec![("docs", &sequence[..])]);
            for end in 0..body.len() {
                if let Ok(request) = read(OP_MSG, &body[..end]) {
                    prop_assert!(request.sequences.is_empty());
                }
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(
            body in proptest::collection::vec(any::<u8>(), 0..80), opcode in any::<bool>()
        ) {
            let outcome = read(if opcode { OP_MSG } else { OP_QUERY }, &body);
            drop(outcome);
        }
    }
}
