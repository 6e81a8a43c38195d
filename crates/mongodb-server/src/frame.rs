//! Messages on the wire: where a frame ends, what is in it, and how a reply is written.
//!
//! ```text
//! header   := length i32, request id i32, response to i32, opcode i32      length counts itself
//! OP_MSG   := flags u32, section*, [crc32c u32]
//! section  := 0 document                          the command
//!           | 1 length i32, name cstring, document*   one of its arrays, outside of the document
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

/// Flags in the low half that a receiver must know or refuse.
const REQUIRED_FLAGS: u32 = 0xFFFF;

/// Why bytes are not a message. The connection cannot go on after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The length is less than a header or more than allowed.
    #[error("a message of {length} bytes is not between {HEADER_BYTES} and {limit} bytes")]
    Length {
        /// What the header says.
        length: i32,
        /// The most that is accepted.
        limit: usize,
    },
    /// The opcode is none that is spoken here.
    #[error("opcode {0} is not supported")]
    Opcode(i32),
    /// A required flag is unknown.
    #[error("message flags {0:#x} are not supported")]
    Flags(u32),
    /// A section ends too late, or there is no command.
    #[error("a message ends inside of a section")]
    Torn,
    /// The checksum does not fit the bytes.
    #[error("the checksum of a message does not fit")]
    Checksum,
    /// A section is of a kind that does not exist, or the command is there twice.
    #[error("message section {0} is not expected")]
    Section(u8),
    /// The command is not BSON.
    #[error("the command is not a document")]
    Document(#[source] Invalid),
}

/// The first bytes of every message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the whole message.
    pub length: usize,
    /// What a reply refers to.
    pub request_id: i32,
    opcode: i32,
}

/// A message as it was received.
#[derive(Debug)]
pub struct Frame {
    /// The header.
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

/// How a request came, which is how its reply goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// The protocol of today.
    Message,
    /// The legacy query that opens a connection of older clients.
    Query,
}

/// A request: a command and the arrays that travel beside it.
#[derive(Debug)]
pub struct Request<'a> {
    /// How it came.
    pub protocol: Protocol,
    /// Whether the client expects no reply.
    pub unacknowledged: bool,
    /// The command.
    pub command: Doc<'a>,
    /// Arrays of the command that came as sections: name, documents one after the other. Their
    /// documents are not yet checked.
    pub sequences: Vec<(&'a str, &'a [u8])>,
    /// The database of a legacy query.
    pub query_database: Option<&'a str>,
}

impl Header {
    /// Reads a header; `limit` is the most bytes a message may have.
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
    /// Reads what follows the header. The command is checked; sequences are when they are read.
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

/// A reply: what goes in front of its document, and the document.
#[derive(Debug)]
pub struct Reply {
    head: Vec<u8>,
    document: Vec<u8>,
}

impl Reply {
    /// Answers a request.
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
                // Flag 8: the server can wait for data; no cursor, from the first, one document.
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

/// Takes values off the front of bytes.
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
    fn a_length_outside_of_the_limits_is_refused_before_anything_is_read() {
        for length in [i32::MIN, -1, 0, 15, 1_000_001, i32::MAX] {
            let mut bytes = [0; HEADER_BYTES];
            bytes[..4].copy_from_slice(&length.to_le_bytes());
            let refused = Header::read(bytes, 1_000_000);
            assert!(matches!(refused, Err(Error::Length { .. })), "{length}");
        }
    }

    #[test]
    fn a_wrong_checksum_is_refused_and_a_right_one_accepted() {
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
    fn unknown_flags_opcodes_and_sections_are_refused() {
        let body = message(1 << 5, Doc::EMPTY.bytes(), &[]);
        assert!(matches!(read(OP_MSG, &body), Err(Error::Flags(_))));
        assert!(matches!(read(2012, &body), Err(Error::Opcode(2012))));
        let body = [0, 0, 0, 0, 9];
        assert!(matches!(read(OP_MSG, &body), Err(Error::Section(9))));
    }

    #[test]
    fn a_reply_says_how_long_it_is_and_what_it_answers() {
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
        fn a_message_is_read_whole_and_no_prefix_of_its_sections_is_mistaken_for_it(
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
