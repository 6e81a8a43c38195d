//! Requests and responses as bytes: length, header, body.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#protocol_messages>

use std::ops::Range;

use bytes::{BufMut, Bytes};
use convoy_kafka_server::protocol::{FieldError, Reader};
use kafka_protocol::messages::RequestHeader;
use kafka_protocol::protocol::{Encodable, HeaderVersion, Request, StrBytes};

/// Name of this client in the broker's log and quotas.
pub const CLIENT_ID: &str = "convoy";

/// Bytes of the length before a request.
const LENGTH_BYTES: usize = 4;

/// Where the correlation id of a frame is: after length, number and version of the request.
const CORRELATION_ID: Range<usize> = 8..12;

/// The body of a response.
#[derive(Debug)]
pub struct Response {
    /// Version of the request.
    pub version: i16,
    /// Bytes after the header, as the broker sent them.
    pub body: Bytes,
    /// Whether lengths are compact and structures end with tagged fields.
    flexible: bool,
}

/// How a response to a request is read.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    pub version: i16,
    /// Whether the body has compact lengths.
    pub flexible: bool,
    /// Whether the header ends with tagged fields.
    pub tagged_header: bool,
}

impl Form {
    pub fn of<R: Request>(version: i16) -> Self {
        Self {
            version,
            flexible: R::header_version(version) >= 2,
            tagged_header: R::Response::header_version(version) >= 1,
        }
    }
}

impl Response {
    /// Reads the header of a frame; returns the correlation id with the body.
    pub fn split(frame: &Bytes, form: Form) -> Result<(i32, Self), FieldError> {
        let mut reader = Reader::new(frame);
        let correlation_id = reader.i32()?;
        reader.set_flexible(form.tagged_header);
        reader.tags()?;
        let start = frame.len() - reader.remaining();
        let response = Self {
            version: form.version,
            body: frame.slice(start..),
            flexible: form.flexible,
        };
        Ok((correlation_id, response))
    }

    /// Returns a reader at the start of the body.
    pub fn reader(&self) -> Reader<'_> {
        let mut reader = Reader::new(&self.body);
        reader.set_flexible(self.flexible);
        reader
    }
}

/// Replaces `frame` by a request with its length and header.
pub fn encode<R: Request>(
    request: &R,
    version: i16,
    client_id: &StrBytes,
    correlation_id: i32,
    frame: &mut Vec<u8>,
) -> Result<(), String> {
    frame.clear();
    frame.put_bytes(0, LENGTH_BYTES);
    put_request_header::<R>(version, client_id, frame)?;
    set_correlation_id(frame, correlation_id);
    request
        .encode(frame, version)
        .map_err(|error| error.to_string())?;
    let length = i32::try_from(frame.len() - LENGTH_BYTES).map_err(|error| error.to_string())?;
    frame[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

/// Appends the header of a request, with a correlation id that is set later.
pub fn put_request_header<R: Request>(
    version: i16,
    client_id: &StrBytes,
    frame: &mut Vec<u8>,
) -> Result<(), String> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_client_id(Some(client_id.clone()));
    let encoded = header.encode(frame, R::header_version(version));
    encoded.map_err(|error| error.to_string())
}

/// Sets the correlation id of a frame.
pub fn set_correlation_id(frame: &mut [u8], correlation_id: i32) {
    frame[CORRELATION_ID].copy_from_slice(&correlation_id.to_be_bytes());
}
