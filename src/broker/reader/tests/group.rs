//! The coordinator of a group with one member, which refuses requests as a script says.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::find_coordinator_response::{Coordinator, FindCoordinatorResponse};
use kafka_protocol::messages::heartbeat_response::HeartbeatResponse;
use kafka_protocol::messages::join_group_response::{JoinGroupResponse, JoinGroupResponseMember};
use kafka_protocol::messages::leave_group_response::LeaveGroupResponse;
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponse, OffsetFetchResponsePartition, OffsetFetchResponseTopic,
};
use kafka_protocol::messages::sync_group_response::SyncGroupResponse;
use kafka_protocol::messages::{
    ApiKey, JoinGroupRequest, OffsetCommitRequest, OffsetFetchRequest, SyncGroupRequest,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};

/// Name of every member.
const MEMBER: &str = "member";

/// Requests of a group that are answered, with their versions.
pub const VERSIONS: [(ApiKey, i16, i16); 7] = [
    (ApiKey::FindCoordinator, 0, 4),
    (ApiKey::JoinGroup, 2, 9),
    (ApiKey::SyncGroup, 1, 5),
    (ApiKey::Heartbeat, 1, 4),
    (ApiKey::LeaveGroup, 1, 5),
    (ApiKey::OffsetCommit, 2, 8),
    (ApiKey::OffsetFetch, 1, 7),
];

/// State of the group.
#[derive(Debug, Clone, Default)]
pub struct Group {
    pub generation: i32,
    /// Offset and metadata of each partition.
    pub committed: BTreeMap<i32, (i64, StrBytes)>,
    /// Requests that are refused, in this order.
    pub refuse: VecDeque<(ApiKey, ResponseError)>,
}

impl Group {
    /// Answers a request about a group; `None` if it is about something else.
    pub fn answer(
        &mut self,
        key: ApiKey,
        version: i16,
        request: &mut Bytes,
        address: SocketAddr,
    ) -> Option<Vec<u8>> {
        let refused = self.refuse.pop_front_if(|(refused, _)| *refused == key);
        let code = refused.map_or(0, |(_key, error)| error.code());
        Some(match key {
            ApiKey::FindCoordinator => encoded(&coordinator(code, version, address), version),
            ApiKey::JoinGroup => {
                self.generation += 1;
                encoded(&self.join(code, &decoded(request, version)), version)
            }
            ApiKey::SyncGroup => encoded(&sync(code, decoded(request, version)), version),
            ApiKey::Heartbeat => {
                let response = HeartbeatResponse::default().with_error_code(code);
                encoded(&response, version)
            }
            ApiKey::LeaveGroup => {
                let response = LeaveGroupResponse::default().with_error_code(code);
                encoded(&response, version)
            }
            ApiKey::OffsetCommit => encoded(&self.commit(code, decoded(request, version)), version),
            ApiKey::OffsetFetch => encoded(&self.fetch(code, decoded(request, version)), version),
            _ => return None,
        })
    }

    fn join(&self, code: i16, request: &JoinGroupRequest) -> JoinGroupResponse {
        let member = JoinGroupResponseMember::default()
            .with_member_id(StrBytes::from_static_str(MEMBER))
            .with_metadata(request.protocols[0].metadata.clone());
        JoinGroupResponse::default()
            .with_error_code(code)
            .with_generation_id(self.generation)
            .with_protocol_name(Some(request.protocols[0].name.clone()))
            .with_leader(StrBytes::from_static_str(MEMBER))
            .with_member_id(StrBytes::from_static_str(MEMBER))
            .with_members(vec![member])
    }

    fn commit(&mut self, code: i16, request: OffsetCommitRequest) -> OffsetCommitResponse {
        let topics = request.topics.into_iter().map(|topic| {
            let partitions = topic.partitions.into_iter().map(|partition| {
                if code == 0 {
                    let metadata = partition.committed_metadata.unwrap_or_default();
                    let offset = (partition.committed_offset, metadata);
                    self.committed.insert(partition.partition_index, offset);
                }
                OffsetCommitResponsePartition::default()
                    .with_partition_index(partition.partition_index)
                    .with_error_code(code)
            });
            OffsetCommitResponseTopic::default()
                .with_name(topic.name)
                .with_partitions(partitions.collect())
        });
        OffsetCommitResponse::default().with_topics(topics.collect())
    }

    fn fetch(&self, code: i16, request: OffsetFetchRequest) -> OffsetFetchResponse {
        let topics = request.topics.unwrap_or_default().into_iter().map(|topic| {
            let partitions = topic.partition_indexes.into_iter().map(|number| {
                let committed = self.committed.get(&number).cloned();
                let (offset, metadata) = committed.unwrap_or((-1, StrBytes::default()));
                OffsetFetchResponsePartition::default()
                    .with_partition_index(number)
                    .with_committed_offset(offset)
                    .with_metadata(Some(metadata))
                    .with_error_code(code)
            });
            OffsetFetchResponseTopic::default()
                .with_name(topic.name)
                .with_partitions(partitions.collect())
        });
        OffsetFetchResponse::default().with_topics(topics.collect())
    }
}

fn coordinator(code: i16, version: i16, address: SocketAddr) -> FindCoordinatorResponse {
    let host = StrBytes::from_string(address.ip().to_string());
    let port = i32::from(address.port());
    if version >= 4 {
        let coordinator = Coordinator::default()
            .with_error_code(code)
            .with_host(host)
            .with_port(port);
        return FindCoordinatorResponse::default().with_coordinators(vec![coordinator]);
    }
    FindCoordinatorResponse::default()
        .with_error_code(code)
        .with_host(host)
        .with_port(port)
}

/// Gives the leader what it has assigned to itself.
fn sync(code: i16, request: SyncGroupRequest) -> SyncGroupResponse {
    let own = request.assignments.into_iter().next();
    SyncGroupResponse::default()
        .with_error_code(code)
        .with_assignment(own.map(|own| own.assignment).unwrap_or_default())
}

pub fn decoded<R: Decodable>(request: &mut Bytes, version: i16) -> R {
    R::decode(request, version).unwrap()
}

pub fn encoded<R: Encodable + HeaderVersion>(response: &R, version: i16) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    response.encode(&mut bytes, version).unwrap();
    bytes.to_vec()
}
