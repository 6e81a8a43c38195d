//! Decodes the header of a request, and calls the decoder and the answer of its API.

use bytes::{BufMut, BytesMut};
use kafka_protocol::messages::ApiKey;
use tracing::debug;

use crate::api::client::Client;
use crate::api::error::Error;
use crate::api::next::Next;
use crate::api::supported::find;
use crate::api::{
    acls, add_offsets_to_txn, add_partitions_to_txn, alter_configs, api_versions,
    create_partitions, create_topics, delete_groups, delete_records, delete_topics,
    describe_client_quotas, describe_cluster, describe_configs, describe_groups, describe_log_dirs,
    describe_producers, describe_quorum, describe_topic_partitions, describe_transactions,
    describe_user_scram_credentials, elect_leaders, end_txn, fetch, find_coordinator, heartbeat,
    incremental_alter_configs, init_producer_id, injected, join_group, leave_group, list_groups,
    list_offsets, list_partition_reassignments, list_transactions, metadata, offset_commit,
    offset_delete, offset_fetch, offset_for_leader_epoch, produce, sasl_authenticate,
    sasl_handshake, sync_group, txn_offset_commit, write_txn_markers,
};
use crate::auth::Session;
use crate::cluster::Cluster;
use crate::faults::{FaultDecision, Moment, inject};
use crate::reply::{self, Reply};
use crate::wire::{self, Reader};

/// First header version with tagged fields; the body then has compact lengths.
const FLEXIBLE_HEADER: i16 = 2;

/// The fields before the body of every request.
#[derive(Debug, Clone, Copy)]
struct Header {
    api: i16,
    version: i16,
    correlation_id: i32,
}

/// Answers one request frame into `output`, which stays empty if no response is due.
pub async fn answer(
    cluster: &Cluster,
    session: &mut Session,
    frame: &[u8],
    output: &mut BytesMut,
    mut client: Client<'_>,
) -> Result<Next, Error> {
    if session.expects_bare_token() {
        let attempt = cluster.attempts().begin(client.address).await;
        let next = answer_bare_token(cluster, session, frame, output);
        if next == Next::Close {
            attempt.failed().await;
        }
        return Ok(next);
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
        // The client retries with a version from this response (KIP-511).
        if supported.api == ApiKey::ApiVersions {
            api_versions::refuse(reply)?;
            return Ok(Next::KeepOpen);
        }
        return Err(header.unsupported());
    }
    client.id = header
        .decode_client_id(&mut reader, supported.api)
        .map_err(|source| header.malformed(source))?;
    let moment = Moment::BeforeRequest { api: header.api };
    match inject(cluster.faults(), moment, client.interrupted).await {
        FaultDecision::Cut => return Ok(Next::Close),
        FaultDecision::Refuse(code) if injected::is_known(supported.api) => {
            let asked = injected::Asked::decode(&mut reader, supported.api, header.version);
            let asked = asked.map_err(|source| header.malformed(source))?;
            injected::answer(supported.api, &asked, code, reply)?;
            return Ok(Next::KeepOpen);
        }
        _ => {}
    }
    let call = Call {
        cluster,
        api: supported.api,
        header,
        reader,
        reply,
    };
    let next = dispatch(call, session, client).await?;
    let moment = Moment::BeforeResponse { api: header.api };
    if inject(cluster.faults(), moment, client.interrupted).await == FaultDecision::Cut {
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
            Ok(Next::KeepOpen)
        }
        ApiKey::SyncGroup => {
            let (request, reply) = call.decode(sync_group::Request::decode)?;
            sync_group::answer(cluster, &request, reply, client).await?;
            Ok(Next::KeepOpen)
        }
        ApiKey::SaslHandshake => {
            let (request, reply) = call.decode(sasl_handshake::Request::decode)?;
            sasl_handshake::answer(session, &request, reply)?;
            Ok(Next::KeepOpen)
        }
        ApiKey::SaslAuthenticate => {
            let (request, reply) = call.decode(sasl_authenticate::Request::decode)?;
            let attempt = cluster.attempts().begin(client.address).await;
            let credentials = cluster.credentials();
            let next = sasl_authenticate::answer(session, credentials, &request, reply)?;
            if next == Next::Close {
                attempt.failed().await;
            }
            Ok(next)
        }
        _ => answer_at_once(call).map(|()| Next::KeepOpen),
    }
}

/// Answers a SASL token that came without a request header.
fn answer_bare_token(
    cluster: &Cluster,
    session: &mut Session,
    token: &[u8],
    output: &mut BytesMut,
) -> Next {
    match session.step(token, cluster.credentials()) {
        Ok(answer) => {
            output.put_u32(u32::try_from(answer.len()).unwrap_or(0));
            output.put_slice(&answer);
            Next::KeepOpen
        }
        Err(error) => {
            debug!(%error, "rejected a login");
            Next::Close
        }
    }
}

/// Answers a request that does not wait.
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
        ApiKey::AlterConfigs => call.respond(alter_configs::decode, alter_configs::answer),
        ApiKey::IncrementalAlterConfigs => call.respond(
            incremental_alter_configs::decode,
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
        _ => answer_in_transaction(call),
    }
}

/// Answers a request about transactions.
fn answer_in_transaction(call: Call<'_>) -> Result<(), Error> {
    match call.api {
        ApiKey::AddPartitionsToTxn => call.respond(
            add_partitions_to_txn::Request::decode,
            add_partitions_to_txn::answer,
        ),
        ApiKey::AddOffsetsToTxn => call.respond(
            add_offsets_to_txn::Request::decode,
            add_offsets_to_txn::answer,
        ),
        ApiKey::TxnOffsetCommit => call.respond(
            txn_offset_commit::Request::decode,
            txn_offset_commit::answer,
        ),
        ApiKey::EndTxn => call.respond(end_txn::Request::decode, end_txn::answer),
        ApiKey::WriteTxnMarkers => call.respond(
            write_txn_markers::Request::decode,
            write_txn_markers::answer,
        ),
        ApiKey::DescribeTransactions => call.respond(
            describe_transactions::Request::decode,
            describe_transactions::answer,
        ),
        ApiKey::ListTransactions => call.respond(
            list_transactions::Request::decode,
            list_transactions::answer,
        ),
        ApiKey::DescribeProducers => call.respond(
            describe_producers::Request::decode,
            describe_producers::answer,
        ),
        _ => answer_for_one_node(call),
    }
}

/// Answers a request whose answer is the same on every cluster of one node.
fn answer_for_one_node(call: Call<'_>) -> Result<(), Error> {
    match call.api {
        ApiKey::ElectLeaders => call.respond(elect_leaders::Request::decode, elect_leaders::answer),
        ApiKey::ListPartitionReassignments => call.respond(
            list_partition_reassignments::Request::decode,
            list_partition_reassignments::answer,
        ),
        ApiKey::DescribeClientQuotas => call.respond(
            describe_client_quotas::Request::decode,
            describe_client_quotas::answer,
        ),
        ApiKey::DescribeUserScramCredentials => call.respond(
            describe_user_scram_credentials::Request::decode,
            describe_user_scram_credentials::answer,
        ),
        ApiKey::DescribeTopicPartitions => call.respond(
            describe_topic_partitions::Request::decode,
            describe_topic_partitions::answer,
        ),
        ApiKey::DescribeQuorum => {
            call.respond(describe_quorum::Request::decode, describe_quorum::answer)
        }
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

    /// Answers a request that does not wait.
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

    /// Reads the rest of the header and prepares the reader for the body.
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
