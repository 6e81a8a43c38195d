//! Groups in every version: join, assignment, commit, description, leave.

use kafka_protocol::error::ResponseError;

use crate::api::tests::*;
use crate::faults::{Fault, Moment};

const GROUP: &str = "readers";

fn group_id() -> GroupId {
    GroupId(text(GROUP))
}

fn join_request(version: i16, member: &str) -> JoinGroupRequest {
    let protocol = join_group_request::JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(Bytes::from_static(
            b"\0\0\0\0\0\x01\0\x05known\xff\xff\xff\xff",
        ));
    let request = JoinGroupRequest::default()
        .with_group_id(group_id())
        .with_session_timeout_ms(10_000)
        .with_member_id(text(member))
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol]);
    if version >= 1 {
        request.with_rebalance_timeout_ms(10_000)
    } else {
        request
    }
}

/// Joins, with a second request if the version requires a member id.
fn join(fixture: &Fixture, version: i16) -> JoinGroupResponse {
    let response = fixture.call(&join_request(version, ""), version);
    if response.error_code != 79 {
        return response;
    }
    let member = response.member_id;
    fixture.call(&join_request(version, &member), version)
}

fn sync(fixture: &Fixture, joined: &JoinGroupResponse, version: i16) -> SyncGroupResponse {
    let assignment = sync_group_request::SyncGroupRequestAssignment::default()
        .with_member_id(joined.member_id.clone())
        .with_assignment(Bytes::from_static(b"part"));
    let request = SyncGroupRequest::default()
        .with_group_id(group_id())
        .with_generation_id(joined.generation_id)
        .with_member_id(joined.member_id.clone())
        .with_assignments(vec![assignment]);
    fixture.call(&request, version)
}

fn leave(fixture: &Fixture, member: &StrBytes, version: i16) -> i16 {
    let request = LeaveGroupRequest::default().with_group_id(group_id());
    if version < 3 {
        let request = request.with_member_id(member.clone());
        return fixture.call(&request, version).error_code;
    }
    let member = leave_group_request::MemberIdentity::default().with_member_id(member.clone());
    let response = fixture.call(&request.with_members(vec![member]), version);
    response.members[0].error_code
}

fn stable(fixture: &Fixture) -> JoinGroupResponse {
    let joined = join(fixture, 9);
    assert_eq!(sync(fixture, &joined, 5).assignment, &b"part"[..]);
    joined
}

fn commit(
    fixture: &Fixture,
    joined: &JoinGroupResponse,
    offset: i64,
    version: i16,
) -> OffsetCommitResponse {
    let partition = offset_commit_request::OffsetCommitRequestPartition::default()
        .with_partition_index(1)
        .with_committed_offset(offset)
        .with_committed_metadata(Some(text("note")));
    let topic = offset_commit_request::OffsetCommitRequestTopic::default()
        .with_name(topic_name("known"))
        .with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(group_id())
        .with_generation_id_or_member_epoch(joined.generation_id)
        .with_member_id(joined.member_id.clone())
        .with_topics(vec![topic]);
    fixture.call(&request, version)
}

#[test]
fn single_member_joins_as_leader_in_every_version() {
    let fixture = Fixture::new();
    for version in versions::<JoinGroupRequest>() {
        let joined = join(&fixture, version);
        assert_eq!(joined.error_code, 0, "version {version}");
        assert_eq!(joined.leader, joined.member_id);
        assert_eq!(joined.members.len(), 1);
        assert_eq!(leave(&fixture, &joined.member_id, 5), 0);
    }
}

#[test]
fn sync_heartbeat_and_leave_work_in_every_version() {
    let fixture = Fixture::new();
    for version in versions::<SyncGroupRequest>() {
        let joined = join(&fixture, 9);
        assert_eq!(sync(&fixture, &joined, version).assignment, &b"part"[..]);
        leave(&fixture, &joined.member_id, 5);
    }
    for version in versions::<LeaveGroupRequest>() {
        let joined = stable(&fixture);
        assert_eq!(leave(&fixture, &joined.member_id, version), 0);
        assert_eq!(leave(&fixture, &joined.member_id, version), 25);
    }
    let joined = stable(&fixture);
    for version in versions::<HeartbeatRequest>() {
        let request = HeartbeatRequest::default()
            .with_group_id(group_id())
            .with_generation_id(joined.generation_id)
            .with_member_id(joined.member_id.clone());
        assert_eq!(fixture.call(&request, version).error_code, 0);
        let stale = request.with_generation_id(0);
        assert_eq!(fixture.call(&stale, version).error_code, 22);
    }
}

#[test]
fn committed_offsets_are_fetched_in_every_version() {
    let fixture = Fixture::new();
    let joined = stable(&fixture);
    for version in versions::<OffsetCommitRequest>() {
        let response = commit(&fixture, &joined, i64::from(version), version);
        assert_eq!(response.topics[0].partitions[0].error_code, 0);
        for version in versions::<OffsetFetchRequest>() {
            let found = committed(&fixture, version);
            assert_eq!(
                found,
                [(1, i64::from(response_version(&fixture)))],
                "{version}"
            );
        }
    }
}

/// Refuses every commit of a group.
#[derive(Debug)]
struct RefusedCommits(&'static str);

impl convoy_server_kit::FaultHook<Moment<'_>, Fault> for RefusedCommits {
    fn fault_for(&self, moment: &Moment<'_>) -> Option<Fault> {
        let code = ResponseError::CoordinatorNotAvailable.code();
        matches!(moment, Moment::BeforeCommit { group } if *group == self.0)
            .then_some(Fault::Refuse(code))
    }
}

#[test]
fn injected_error_of_a_commit_leaves_the_offsets() {
    for (group, code) in [(GROUP, 15), ("other", 0)] {
        let faults = std::sync::Arc::new(RefusedCommits(group));
        let fixture = Fixture::with(Settings::default().with_faults(faults));
        let joined = stable(&fixture);
        let response = commit(&fixture, &joined, 7, 8);
        assert_eq!(response.topics[0].partitions[0].error_code, code);
        let offsets = fixture.cluster.groups().offsets(GROUP);
        assert_eq!(offsets.get("known", 1).is_none(), code != 0);
    }
}

/// Refuses every request.
#[derive(Debug)]
struct RefusedRequests;

impl convoy_server_kit::FaultHook<Moment<'_>, Fault> for RefusedRequests {
    fn fault_for(&self, moment: &Moment<'_>) -> Option<Fault> {
        let code = ResponseError::CoordinatorNotAvailable.code();
        matches!(moment, Moment::BeforeRequest { .. }).then_some(Fault::Refuse(code))
    }
}

#[test]
fn injected_error_of_a_request_is_answered_in_every_version() {
    let faults = std::sync::Arc::new(RefusedRequests);
    let fixture = Fixture::with(Settings::default().with_faults(faults));
    for version in 0..=4 {
        let request = HeartbeatRequest::default().with_group_id(group_id());
        assert_eq!(fixture.call(&request, version).error_code, 15, "{version}");
    }
    for version in [8, 9] {
        let group =
            offset_fetch_request::OffsetFetchRequestGroup::default().with_group_id(group_id());
        let request = OffsetFetchRequest::default().with_groups(vec![group]);
        let response = fixture.call(&request, version);
        assert_eq!(response.groups[0].group_id, group_id(), "{version}");
        assert_eq!(response.groups[0].error_code, 15, "{version}");
    }
    for version in [4, 6] {
        let request = FindCoordinatorRequest::default().with_coordinator_keys(vec![text(GROUP)]);
        let response = fixture.call(&request, version);
        assert_eq!(response.coordinators[0].error_code, 15, "{version}");
    }
    call_with_defaults::<AddOffsetsToTxnRequest>(&fixture);
    call_with_defaults::<EndTxnRequest>(&fixture);
    call_with_defaults::<FindCoordinatorRequest>(&fixture);
    call_with_defaults::<InitProducerIdRequest>(&fixture);
    call_with_defaults::<JoinGroupRequest>(&fixture);
    call_with_defaults::<LeaveGroupRequest>(&fixture);
    call_with_defaults::<OffsetFetchRequest>(&fixture);
    call_with_defaults::<SyncGroupRequest>(&fixture);
    assert!(fixture.cluster.groups().describe(GROUP).is_none());
}

/// Returns the version of the last commit, which it used as its offset.
fn response_version(fixture: &Fixture) -> i16 {
    let offsets = fixture.cluster.groups().offsets(GROUP);
    i16::try_from(offsets.get("known", 1).unwrap().offset).unwrap()
}

/// Fetches the offsets of the second partition of the known topic.
fn committed(fixture: &Fixture, version: i16) -> Vec<(i32, i64)> {
    if version >= 8 {
        let topic = offset_fetch_request::OffsetFetchRequestTopics::default()
            .with_name(topic_name("known"))
            .with_partition_indexes(vec![1]);
        let group = offset_fetch_request::OffsetFetchRequestGroup::default()
            .with_group_id(group_id())
            .with_topics(Some(vec![topic]));
        let request = OffsetFetchRequest::default().with_groups(vec![group]);
        let mut response = fixture.call(&request, version);
        let partitions = response.groups.remove(0).topics.remove(0).partitions;
        let partitions = partitions.into_iter();
        return partitions
            .map(|found| (found.partition_index, found.committed_offset))
            .collect();
    }
    let topic = offset_fetch_request::OffsetFetchRequestTopic::default()
        .with_name(topic_name("known"))
        .with_partition_indexes(vec![1]);
    let request = OffsetFetchRequest::default()
        .with_group_id(group_id())
        .with_topics(Some(vec![topic]));
    let mut response = fixture.call(&request, version);
    let partitions = response.topics.remove(0).partitions.into_iter();
    partitions
        .map(|found| (found.partition_index, found.committed_offset))
        .collect()
}

#[test]
fn commit_to_unknown_topic_or_with_long_metadata_is_refused() {
    let fixture = Fixture::new();
    let partition = offset_commit_request::OffsetCommitRequestPartition::default()
        .with_committed_metadata(Some(text(&"x".repeat(5_000))));
    let topic = |name| {
        offset_commit_request::OffsetCommitRequestTopic::default()
            .with_name(topic_name(name))
            .with_partitions(vec![partition.clone()])
    };
    let request = OffsetCommitRequest::default()
        .with_group_id(group_id())
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic("unknown"), topic("known")]);
    let response = fixture.call(&request, 8);
    let codes = response
        .topics
        .iter()
        .map(|topic| topic.partitions[0].error_code);
    assert_eq!(codes.collect::<Vec<_>>(), [3, 12]);
}

#[test]
fn offsets_of_subscribed_topics_cannot_be_deleted() {
    let fixture = Fixture::new();
    let joined = stable(&fixture);
    commit(&fixture, &joined, 5, 9);
    let partition =
        offset_delete_request::OffsetDeleteRequestPartition::default().with_partition_index(1);
    let topic = offset_delete_request::OffsetDeleteRequestTopic::default()
        .with_name(topic_name("known"))
        .with_partitions(vec![partition]);
    let request = OffsetDeleteRequest::default()
        .with_group_id(group_id())
        .with_topics(vec![topic]);
    let delete = || fixture.call(&request, 0).topics[0].partitions[0].error_code;
    assert_eq!(delete(), 86);
    leave(&fixture, &joined.member_id, 5);
    assert_eq!(delete(), 0);
    assert_eq!(committed(&fixture, 9), [(1, -1)]);
}

#[test]
fn deleting_a_topic_deletes_its_committed_offsets() {
    let fixture = Fixture::new();
    let joined = stable(&fixture);
    commit(&fixture, &joined, 5, 9);
    delete(&fixture, "known");
    assert!(fixture.cluster.groups().offsets(GROUP).is_empty());
}

#[test]
fn groups_are_listed_described_and_deleted_in_every_version() {
    let fixture = Fixture::new();
    let joined = stable(&fixture);
    for version in versions::<ListGroupsRequest>() {
        let response = fixture.call(&ListGroupsRequest::default(), version);
        assert_eq!(response.groups[0].group_id, group_id());
        assert_eq!(response.groups[0].protocol_type.as_str(), "consumer");
    }
    let filtered = ListGroupsRequest::default().with_states_filter(vec![text("Empty")]);
    assert!(fixture.call(&filtered, 4).groups.is_empty());
    for version in versions::<DescribeGroupsRequest>() {
        let request = DescribeGroupsRequest::default().with_groups(vec![group_id()]);
        let group = fixture.call(&request, version).groups.remove(0);
        assert_eq!(group.group_state.as_str(), "Stable");
        assert_eq!(group.protocol_data.as_str(), "range");
        assert_eq!(group.members[0].member_id, joined.member_id);
        assert_eq!(group.members[0].client_id.as_str(), "tests");
        assert_eq!(group.members[0].member_assignment, &b"part"[..]);
    }
    let request = DeleteGroupsRequest::default().with_groups_names(vec![group_id()]);
    for version in versions::<DeleteGroupsRequest>() {
        assert_eq!(fixture.call(&request, version).results[0].error_code, 68);
    }
    leave(&fixture, &joined.member_id, 5);
    assert_eq!(fixture.call(&request, 2).results[0].error_code, 0);
    assert_eq!(fixture.call(&request, 2).results[0].error_code, 69);
}

#[test]
fn coordinator_of_a_group_is_the_broker() {
    let fixture = Fixture::new();
    for version in versions::<FindCoordinatorRequest>() {
        let request = FindCoordinatorRequest::default();
        let request = if version >= 4 {
            request.with_coordinator_keys(vec![text(GROUP)])
        } else {
            request.with_key(text(GROUP))
        };
        let response = fixture.call(&request, version);
        let answer = match response.coordinators.first() {
            Some(coordinator) => (coordinator.error_code, coordinator.port),
            None => (response.error_code, response.port),
        };
        assert_eq!(answer, (0, 9092));
    }
}

#[test]
fn producer_ids_are_given_out_once() {
    let fixture = Fixture::new();
    let plain = InitProducerIdRequest::default().with_transactional_id(None);
    let mut seen = std::collections::BTreeSet::new();
    for version in versions::<InitProducerIdRequest>() {
        assert!(seen.insert(fixture.call(&plain, version).producer_id));
    }
}

#[test]
fn group_without_members_and_offsets_stays_listed_and_described() {
    let fixture = Fixture::new();
    let joined = stable(&fixture);
    leave(&fixture, &joined.member_id, 5);
    let listed = fixture.call(&ListGroupsRequest::default(), 4).groups;
    assert_eq!(listed[0].group_state.as_str(), "Empty");
    let request = DescribeGroupsRequest::default().with_groups(vec![group_id()]);
    let group = fixture.call(&request, 5).groups.remove(0);
    assert_eq!(group.group_state.as_str(), "Empty");
}

#[test]
fn session_timeouts_have_the_bounds_of_kafka() {
    let fixture = Fixture::new();
    for version in versions::<JoinGroupRequest>() {
        let code = |timeout| {
            let request = join_request(version, "").with_session_timeout_ms(timeout);
            fixture.call(&request, version).error_code
        };
        for timeout in [i32::MIN, -1, 0, 5_999, 1_800_001, i32::MAX] {
            assert_eq!(code(timeout), 26, "{timeout} ms");
        }
        for timeout in [6_000, 1_800_000] {
            assert_ne!(code(timeout), 26, "{timeout} ms");
        }
    }
}

#[test]
fn offsets_of_unknown_partitions_cannot_be_deleted() {
    let fixture = Fixture::new();
    let joined = stable(&fixture);
    leave(&fixture, &joined.member_id, 5);
    let code = |topic: &str, index| {
        let partition = offset_delete_request::OffsetDeleteRequestPartition::default()
            .with_partition_index(index);
        let topic = offset_delete_request::OffsetDeleteRequestTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(vec![partition]);
        let request = OffsetDeleteRequest::default()
            .with_group_id(group_id())
            .with_topics(vec![topic]);
        fixture.call(&request, 0).topics[0].partitions[0].error_code
    };
    assert_eq!(code("known", 1), 0);
    assert_eq!(code("known", 2), 3);
    assert_eq!(code("unknown", 0), 3);
}
