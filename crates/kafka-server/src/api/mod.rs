//! The requests the broker answers: one file per API, each with its decoder and its answer.
//!
//! Requests are decoded by [`Reader`], whose bounds hold against any
//! bytes; responses are encoded by `kafka-protocol`, except Fetch, which copies records once.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#protocol_messages>

mod acls;
mod alter_configs;
mod api_versions;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod fetch;
mod fetch_response;
mod find_coordinator;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_groups;
mod list_offsets;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
mod resource;
mod sasl_authenticate;
mod sasl_handshake;
mod sync_group;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use bytes::{BufMut, BytesMut};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::StrBytes;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::auth::Session;
use crate::cluster::Cluster;
use crate::faults::{self, Moment, Struck};
use crate::reply::{self, Reply};
use crate::wire::{self, Reader};

/// Versions that are answered, by API, in order of number.
const SUPPORTED: &[Supported] = &[
    Supported::new(ApiKey::Produce, 3, 13),
    Supported::new(ApiKey::Fetch, 4, 18),
    Supported::new(ApiKey::ListOffsets, 1, 10),
    Supported::new(ApiKey::Metadata, 0, 13),
    Supported::new(ApiKey::OffsetCommit, 2, 9),
    Supported::new(ApiKey::OffsetFetch, 1, 9),
    Supported::new(ApiKey::FindCoordinator, 0, 6),
    Supported::new(ApiKey::JoinGroup, 0, 9),
    Supported::new(ApiKey::Heartbeat, 0, 4),
    Supported::new(ApiKey::LeaveGroup, 0, 5),
    Supported::new(ApiKey::SyncGroup, 0, 5),
    Supported::new(ApiKey::DescribeGroups, 0, 6),
    Supported::new(ApiKey::ListGroups, 0, 5),
    Supported::new(ApiKey::SaslHandshake, 0, 1),
    Supported::new(ApiKey::ApiVersions, 0, 4),
    Supported::new(ApiKey::CreateTopics, 2, 7),
    Supported::new(ApiKey::DeleteTopics, 1, 6),
    Supported::new(ApiKey::DeleteRecords, 0, 2),
    Supported::new(ApiKey::InitProducerId, 0, 5),
    Supported::new(ApiKey::OffsetForLeaderEpoch, 2, 4),
    Supported::new(ApiKey::DescribeAcls, 1, 3),
    Supported::new(ApiKey::CreateAcls, 1, 3),
    Supported::new(ApiKey::DeleteAcls, 1, 3),
    Supported::new(ApiKey::DescribeConfigs, 1, 4),
    Supported::new(ApiKey::AlterConfigs, 0, 2),
    Supported::new(ApiKey::DescribeLogDirs, 1, 4),
    Supported::new(ApiKey::SaslAuthenticate, 0, 2),
    Supported::new(ApiKey::CreatePartitions, 0, 3),
    Supported::new(ApiKey::DeleteGroups, 0, 2),
    Supported::new(ApiKey::IncrementalAlterConfigs, 0, 1),
    Supported::new(ApiKey::OffsetDelete, 0, 0),
    Supported::new(ApiKey::DescribeCluster, 0, 2),
];

/// The first header version with tagged fields, and with it the compact forms in the body.
const FLEXIBLE_HEADER: i16 = 2;

/// What clients that ask for transactions are told.
const NO_TRANSACTIONS: &str = "transactions are not supported by this broker";

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

/// Why a part of a request was not done: a code for the client, a sentence for its user.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Refusal {
    error: ResponseError,
    message: Option<String>,
}

impl Refusal {
    fn new(error: ResponseError, message: &str) -> Self {
        Self {
            error,
            message: Some(message.to_owned()),
        }
    }
}

impl From<ResponseError> for Refusal {
    fn from(error: ResponseError) -> Self {
        Self {
            error,
            message: None,
        }
    }
}

/// Who sent a request.
#[derive(Debug, Clone, Copy)]
pub struct Client<'a> {
    /// The name it gives itself.
    pub id: &'a str,
    /// Where it connects from.
    pub address: IpAddr,
    /// Cancelled when the client has left or the broker stops: long waits end early.
    pub interrupted: &'a CancellationToken,
}

/// The fields before every request's body.
#[derive(Debug, Clone, Copy)]
struct Header {
    api: i16,
    version: i16,
    correlation_id: i32,
}

/// What happens to the connection after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The next request is waited for.
    GoOn,
    /// It is closed once the answer was sent.
    Close,
}

/// Answers one request frame into `output`, which stays empty where none is expected.
pub async fn answer(
    cluster: &Cluster,
    session: &mut Session,
    frame: &[u8],
    output: &mut BytesMut,
    mut client: Client<'_>,
) -> Result<Next, Error> {
    if session.expects_bare_token() {
        return Ok(answer_bare_token(cluster, session, frame, output));
    }
    let mut reader = Reader::new(frame);
    let header = Header::decode(&mut reader).map_err(|source| Error::Header { source })?;
    let Some(supported) = find(header.api).filter(|supported| session.permits(supported.api))
    else {
        return Err(header.unsupported());
    };
    let start = output.len();
    let reply = Reply::new(output, supported.api, header.version, header.correlation_id);
    if !(supported.min..=supported.max).contains(&header.version) {
        // Clients learn from this answer which versions to use (KIP-511).
        if supported.api == ApiKey::ApiVersions {
            api_versions::refuse(reply)?;
            return Ok(Next::GoOn);
        }
        return Err(header.unsupported());
    }
    client.id = header
        .decode_client_id(&mut reader, supported.api)
        .map_err(|source| header.malformed(source))?;
    let call = Call {
        cluster,
        api: supported.api,
        header,
        reader,
        reply,
    };
    let next = dispatch(call, session, client).await?;
    let moment = Moment::BeforeResponse { api: header.api };
    if faults::strike(cluster.settings(), moment, client.interrupted).await == Struck::Cut {
        output.truncate(start);
        return Ok(Next::Close);
    }
    Ok(next)
}

async fn dispatch(
    call: Call<'_>,
    session: &mut Session,
    client: Client<'_>,
) -> Result<Next, Error> {
    let cluster = call.cluster;
    match call.api {
        ApiKey::Produce => {
            let (request, reply) = call.decode(produce::Request::decode)?;
            Ok(produce::answer(cluster, &request, reply, client).await?)
        }
        ApiKey::Fetch => {
            let (request, reply) = call.decode(fetch::Request::decode)?;
            Ok(fetch::answer(cluster, &request, reply, client).await)
        }
        ApiKey::JoinGroup => {
            let (request, reply) = call.decode(join_group::Request::decode)?;
            join_group::answer(cluster, &request, reply, client).await?;
            Ok(Next::GoOn)
        }
        ApiKey::SyncGroup => {
            let (request, reply) = call.decode(sync_group::Request::decode)?;
            sync_group::answer(cluster, &request, reply, client).await?;
            Ok(Next::GoOn)
        }
        ApiKey::SaslHandshake => {
            let (request, reply) = call.decode(sasl_handshake::Request::decode)?;
            sasl_handshake::answer(session, &request, reply)?;
            Ok(Next::GoOn)
        }
        ApiKey::SaslAuthenticate => {
            let (request, reply) = call.decode(sasl_authenticate::Request::decode)?;
            let users = cluster.users();
            Ok(sasl_authenticate::answer(session, users, &request, reply)?)
        }
        _ => answer_at_once(call).map(|()| Next::GoOn),
    }
}

/// Answers a token that came without a request around it.
fn answer_bare_token(
    cluster: &Cluster,
    session: &mut Session,
    token: &[u8],
    output: &mut BytesMut,
) -> Next {
    match session.step(token, cluster.users()) {
        Ok(answer) => {
            output.put_u32(u32::try_from(answer.len()).unwrap_or(0));
            output.put_slice(&answer);
            Next::GoOn
        }
        Err(error) => {
            debug!(%error, "a client was not let in");
            Next::Close
        }
    }
}

/// Answers a request that needs no waiting.
fn answer_at_once(call: Call<'_>) -> Result<(), Error> {
    match call.api {
        ApiKey::ApiVersions => call.respond(api_versions::Request::decode, api_versions::answer),
        ApiKey::Metadata => call.respond(metadata::Request::decode, metadata::answer),
        ApiKey::CreateTopics => call.respond(create_topics::Request::decode, create_topics::answer),
        ApiKey::DeleteTopics => call.respond(delete_topics::Request::decode, delete_topics::answer),
        ApiKey::ListOffsets => call.respond(list_offsets::Request::decode, list_offsets::answer),
        ApiKey::DeleteRecords => {
            call.respond(delete_records::Request::decode, delete_records::answer)
        }
        ApiKey::FindCoordinator => {
            call.respond(find_coordinator::Request::decode, find_coordinator::answer)
        }
        ApiKey::Heartbeat => call.respond(heartbeat::Request::decode, heartbeat::answer),
        ApiKey::LeaveGroup => call.respond(leave_group::Request::decode, leave_group::answer),
        ApiKey::OffsetCommit => call.respond(offset_commit::Request::decode, offset_commit::answer),
        ApiKey::OffsetFetch => call.respond(offset_fetch::Request::decode, offset_fetch::answer),
        ApiKey::InitProducerId => {
            call.respond(init_producer_id::Request::decode, init_producer_id::answer)
        }
        ApiKey::OffsetDelete => call.respond(offset_delete::Request::decode, offset_delete::answer),
        ApiKey::ListGroups => call.respond(list_groups::Request::decode, list_groups::answer),
        ApiKey::DescribeGroups => {
            call.respond(describe_groups::Request::decode, describe_groups::answer)
        }
        ApiKey::DeleteGroups => call.respond(delete_groups::Request::decode, delete_groups::answer),
        ApiKey::CreatePartitions => call.respond(
            create_partitions::Request::decode,
            create_partitions::answer,
        ),
        ApiKey::DescribeConfigs => {
            call.respond(describe_configs::Request::decode, describe_configs::answer)
        }
        ApiKey::AlterConfigs => call.respond(alter_configs::Request::decode, alter_configs::answer),
        ApiKey::IncrementalAlterConfigs => call.respond(
            incremental_alter_configs::Request::decode,
            incremental_alter_configs::answer,
        ),
        ApiKey::DescribeAcls => call.respond(acls::Request::decode_filter, acls::describe),
        ApiKey::CreateAcls => call.respond(acls::Request::decode_rules, acls::create),
        ApiKey::DeleteAcls => call.respond(acls::Request::decode_filters, acls::delete),
        ApiKey::DescribeCluster => {
            call.respond(describe_cluster::Request::decode, describe_cluster::answer)
        }
        ApiKey::DescribeLogDirs => call.respond(
            describe_log_dirs::Request::decode,
            describe_log_dirs::answer,
        ),
        ApiKey::OffsetForLeaderEpoch => call.respond(
            offset_for_leader_epoch::Request::decode,
            offset_for_leader_epoch::answer,
        ),
        _ => Err(call.header.unsupported()),
    }
}

/// A request whose header was decoded.
struct Call<'a> {
    cluster: &'a Cluster,
    api: ApiKey,
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
    fn decode_client_id<'a>(
        self,
        reader: &mut Reader<'a>,
        api: ApiKey,
    ) -> Result<&'a str, wire::Error> {
        let client_id = reader.nullable_string()?;
        let flexible = api.request_header_version(self.version) >= FLEXIBLE_HEADER;
        reader.set_flexible(flexible);
        reader.tags()?;
        Ok(client_id.unwrap_or_default())
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
