//! Encoding of response frames.

use bytes::{BufMut, BytesMut};
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::{Encodable, HeaderVersion};

use crate::frame::LENGTH_BYTES;

/// A response cannot be encoded in the requested version.
#[derive(Debug, thiserror::Error)]
#[error("failed to encode a response of {api:?} version {version}: {reason}")]
pub struct Error {
    api: ApiKey,
    version: i16,
    reason: String,
}

/// Appends the response to one request to a buffer.
#[derive(Debug)]
pub struct Reply<'a> {
    output: &'a mut BytesMut,
    api: ApiKey,
    version: i16,
    correlation_id: i32,
}

impl<'a> Reply<'a> {
    pub fn new(output: &'a mut BytesMut, api: ApiKey, version: i16, correlation_id: i32) -> Self {
        Self {
            output,
            api,
            version,
            correlation_id,
        }
    }

    /// Returns the version of the request and its response.
    pub fn version(&self) -> i16 {
        self.version
    }

    /// Writes the response.
    pub fn send<R: Encodable + HeaderVersion>(self, response: &R) -> Result<(), Error> {
        let version = self.version;
        self.send_as(response, version)
    }

    /// Writes the response in another version than that of the request.
    pub fn send_as<R: Encodable + HeaderVersion>(
        self,
        response: &R,
        version: i16,
    ) -> Result<(), Error> {
        let (api, start) = (self.api, self.output.len());
        let flexible = R::header_version(version) >= 1;
        let encoded = self.frame(flexible, |output| response.encode(output, version));
        encoded.map_err(|(output, error)| {
            output.truncate(start);
            Error {
                api,
                version,
                reason: error.to_string(),
            }
        })
    }

    /// Writes a response whose body the caller encodes.
    pub fn send_with(self, flexible: bool, body: impl FnOnce(&mut BytesMut)) {
        let framed = self.frame(flexible, |output| {
            body(output);
            Ok::<_, std::convert::Infallible>(())
        });
        match framed {
            Ok(()) => {}
            Err((_, never)) => match never {},
        }
    }

    fn frame<E>(
        self,
        flexible: bool,
        body: impl FnOnce(&mut BytesMut) -> Result<(), E>,
    ) -> Result<(), (&'a mut BytesMut, E)> {
        let output = self.output;
        let start = output.len();
        output.put_u32(0);
        output.put_i32(self.correlation_id);
        if flexible {
            output.put_u8(0);
        }
        if let Err(error) = body(output) {
            return Err((output, error));
        }
        let length = output.len() - start - LENGTH_BYTES;
        let length = u32::try_from(length).expect("a response stays below 4 GiB");
        output[start..start + LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }
}
