//! The requests the broker answers: one file per API, each with its decoder and its answer.
//!
//! Requests are decoded by [`Reader`], whose bounds hold against any
//! bytes; responses are encoded by `kafka-protocol`, except Fetch, which copies records once.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#protocol_messages>

mod api_versions;
mod create_topics;
mod delete_records;
mod delete_topics;
mod fetch;
mod fetch_response;
mod list_offsets;
mod metadata;
mod produce;
#[cfg(test)]
mod tests;

use bytes::BytesMut;
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::StrBytes;
use tokio_util::sync::CancellationToken;

use super::cluster::Cluster;
use super::reply::{self, Reply};
use super::wire::{self, Reader};

/// Versions that are answered, by API: exactly what `ApiVersions` tells.
const SUPPORTED: &[Supported] = &[
    Supported::new(ApiKey::Produce, 3, 13),
    Supported::new(ApiKey::Fetch, 4, 18),
    Supported::new(ApiKey::ListOffsets, 1, 10),
    Supported::new(ApiKey::Metadata, 0, 13),
    Supported::new(ApiKey::ApiVersions, 0, 4),
    Supported::new(ApiKey::CreateTopics, 2, 7),
    Supported::new(ApiKey::DeleteTopics, 1, 6),
    Supported::new(ApiKey::DeleteRecords, 0, 2),
];

/// The first header version with tagged fields, and with it the compact forms in the body.
const FLEXIBLE_HEADER: i16 = 2;

#[derive(Debug, Clone, Copy)]
struct Supported {
    api: ApiKey,
    min: i16,
    max: i16,
}

impl Supported {
    const fn new(api: ApiKey, min: i16, max: i16) -> Self {
        Self { api, min, max }
    }
}

/// A request cannot be answered; the connection ends.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API is unknown, or not in this version.
    #[error("version {version} of API {api} is not supported")]
    Unsupported {
        /// The API's number.
        api: i16,
        /// The version asked for.
        version: i16,
    },
    /// The request does not follow the protocol.
    #[error("failed to decode a request of API {api} version {version}")]
    Decode {
        /// The API's number.
        api: i16,
        /// The version asked for.
        version: i16,
        /// What is wrong.
        #[source]
        source: wire::Error,
    },
    /// The request ends before its API and version.
    #[error("failed to decode a request's header")]
    Header {
        /// What is wrong.
        #[source]
        source: wire::Error,
    },
    /// The response could not be encoded.
    #[error("failed to answer")]
    Encode {
        /// Which one.
        #[source]
        source: reply::Error,
    },
}

impl From<reply::Error> for Error {
    fn from(source: reply::Error) -> Self {
        Self::Encode { source }
    }
}

/// The fields before every request's body.
#[derive(Debug, Clone, Copy)]
struct Header {
    api: i16,
    version: i16,
    correlation_id: i32,
}

/// Answers one request frame into `output`, which stays empty where none is expected.
///
/// Long waits end early when `interrupted` is cancelled.
pub async fn answer(
    cluster: &Cluster,
    frame: &[u8],
    output: &mut BytesMut,
    interrupted: &CancellationToken,
) -> Result<(), Error> {
    let mut reader = Reader::new(frame);
    let header = Header::decode(&mut reader).map_err(|source| Error::Header { source })?;
    let Some(supported) = find(header.api) else {
        return Err(header.unsupported());
    };
    let reply = Reply::new(output, supported.api, header.version, header.correlation_id);
    if !(supported.min..=supported.max).contains(&header.version) {
        // Clients learn from this answer which versions to use (KIP-511).
        if supported.api == ApiKey::ApiVersions {
            return Ok(api_versions::refuse(reply)?);
        }
        return Err(header.unsupported());
    }
    header
        .decode_rest(&mut reader, supported.api)
        .map_err(|source| header.malformed(source))?;
    let call = Call {
        cluster,
        header,
        reader,
        reply,
    };
    match supported.api {
        ApiKey::ApiVersions => call.respond(api_versions::Request::decode, api_versions::answer),
        ApiKey::Metadata => call.respond(metadata::Request::decode, metadata::answer),
        ApiKey::CreateTopics => call.respond(create_topics::Request::decode, create_topics::answer),
        ApiKey::DeleteTopics => call.respond(delete_topics::Request::decode, delete_topics::answer),
        ApiKey::ListOffsets => call.respond(list_offsets::Request::decode, list_offsets::answer),
        ApiKey::DeleteRecords => {
            call.respond(delete_records::Request::decode, delete_records::answer)
        }
        ApiKey::Produce => {
            let (request, reply) = call.decode(produce::Request::decode)?;
            Ok(produce::answer(cluster, &request, reply).await?)
        }
        ApiKey::Fetch => {
            let (request, reply) = call.decode(fetch::Request::decode)?;
            fetch::answer(cluster, &request, reply, interrupted).await;
            Ok(())
        }
        _ => Err(header.unsupported()),
    }
}

/// A request whose header was decoded.
struct Call<'a> {
    cluster: &'a Cluster,
    header: Header,
    reader: Reader<'a>,
    reply: Reply<'a>,
}

impl<'a> Call<'a> {
    fn decode<T>(
        mut self,
        decode: impl FnOnce(&mut Reader<'a>, i16) -> Result<T, wire::Error>,
    ) -> Result<(T, Reply<'a>), Error> {
        let request = decode(&mut self.reader, self.header.version)
            .map_err(|source| self.header.malformed(source))?;
        Ok((request, self.reply))
    }

    /// Answers a request that needs no waiting.
    fn respond<T>(
        self,
        decode: impl FnOnce(&mut Reader<'a>, i16) -> Result<T, wire::Error>,
        answer: impl FnOnce(&Cluster, &T, Reply<'a>) -> Result<(), reply::Error>,
    ) -> Result<(), Error> {
        let cluster = self.cluster;
        let (request, reply) = self.decode(decode)?;
        Ok(answer(cluster, &request, reply)?)
    }
}

impl Header {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, wire::Error> {
        Ok(Self {
            api: reader.i16()?,
            version: reader.i16()?,
            correlation_id: reader.i32()?,
        })
    }

    /// Reads what follows the correlation id and leaves the reader in the form of the body.
    fn decode_rest(self, reader: &mut Reader<'_>, api: ApiKey) -> Result<(), wire::Error> {
        let _client_id = reader.nullable_string()?;
        let flexible = api.request_header_version(self.version) >= FLEXIBLE_HEADER;
        reader.set_flexible(flexible);
        reader.tags()?;
        Ok(())
    }

    fn unsupported(self) -> Error {
        Error::Unsupported {
            api: self.api,
            version: self.version,
        }
    }

    fn malformed(self, source: wire::Error) -> Error {
        Error::Decode {
            api: self.api,
            version: self.version,
            source,
        }
    }
}

fn find(api: i16) -> Option<&'static Supported> {
    SUPPORTED
        .iter()
        .find(|supported| supported.api as i16 == api)
}

fn str_bytes(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}
