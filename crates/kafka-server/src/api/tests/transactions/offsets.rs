//! Offsets of groups that transactions commit.

use super::*;

const GROUP: &str = "readers";

/// Adds an offset of partition 0 to a transaction; generation and member are those of a group.
fn commit(
    fixture: &Fixture,
    client: &Client,
    offset: i64,
    member: (&str, i32),
    version: i16,
) -> i16 {
    let partition = txn_offset_commit_request::TxnOffsetCommitRequestPartition::default()
        .with_committed_offset(offset)
        .with_committed_metadata(Some(text("note")));
    let topic = txn_offset_commit_request::TxnOffsetCommitRequestTopic::default()
        .with_name(topic_name("known"))
        .with_partitions(vec![partition]);
    let request = TxnOffsetCommitRequest::default()
        .with_transactional_id(TransactionalId(text(&client.id)))
        .with_group_id(GroupId(text(GROUP)))
        .with_producer_id(ProducerId(client.producer))
        .with_producer_epoch(client.epoch)
        .with_topics(vec![topic]);
    let request = if version >= 3 {
        request
            .with_member_id(text(member.0))
            .with_generation_id(member.1)
    } else {
        request
    };
    fixture.call(&request, version).topics[0].partitions[0].error_code
}

/// Returns error code and committed offset of partition 0.
fn committed(fixture: &Fixture, require_stable: bool, version: i16) -> (i16, i64) {
    if version >= 8 {
        let topic = offset_fetch_request::OffsetFetchRequestTopics::default()
            .with_name(topic_name("known"))
            .with_partition_indexes(vec![0]);
        let group = offset_fetch_request::OffsetFetchRequestGroup::default()
            .with_group_id(GroupId(text(GROUP)))
            .with_topics(Some(vec![topic]));
        let request = OffsetFetchRequest::default()
            .with_groups(vec![group])
            .with_require_stable(require_stable);
        let mut response = fixture.call(&request, version);
        let found = response
            .groups
            .remove(0)
            .topics
            .remove(0)
            .partitions
            .remove(0);
        return (found.error_code, found.committed_offset);
    }
    let topic = offset_fetch_request::OffsetFetchRequestTopic::default()
        .with_name(topic_name("known"))
        .with_partition_indexes(vec![0]);
    let request = OffsetFetchRequest::default()
        .with_group_id(GroupId(text(GROUP)))
        .with_topics(Some(vec![topic]))
        .with_require_stable(require_stable);
    let mut response = fixture.call(&request, version);
    let found = response.topics.remove(0).partitions.remove(0);
    (found.error_code, found.committed_offset)
}

const NO_MEMBER: (&str, i32) = ("", -1);

#[test]
fn offsets_are_visible_after_the_commit_only() {
    let fixture = Fixture::new();
    let client = Client::init(&fixture, ID);
    let mut last = -1;
    for version in versions::<TxnOffsetCommitRequest>() {
        let offset = i64::from(version) + 10;
        assert_eq!(client.add_group(&fixture, GROUP, 4), 0);
        assert_eq!(commit(&fixture, &client, offset, NO_MEMBER, version), 0);
        for fetch_version in 7..=find(OffsetFetchRequest::KEY).unwrap().max {
            assert_eq!(committed(&fixture, false, fetch_version), (0, last));
            assert_eq!(committed(&fixture, true, fetch_version), (88, -1));
        }
        assert_eq!(client.end(&fixture, true), 0);
        assert_eq!(committed(&fixture, true, 7), (0, offset));
        last = offset;
    }
}

#[test]
fn offsets_of_an_aborted_transaction_are_dropped() {
    let fixture = Fixture::new();
    let client = Client::init(&fixture, ID);
    client.add_group(&fixture, GROUP, 4);
    commit(&fixture, &client, 10, NO_MEMBER, 3);
    client.end(&fixture, false);
    assert_eq!(committed(&fixture, true, 9), (0, -1));
    client.add_group(&fixture, GROUP, 4);
    client.end(&fixture, true);
    assert_eq!(committed(&fixture, true, 9), (0, -1));
}

#[test]
fn offsets_need_their_group_in_the_open_transaction() {
    let fixture = Fixture::new();
    let client = Client::init(&fixture, ID);
    assert_eq!(commit(&fixture, &client, 10, NO_MEMBER, 3), 48);
    client.add(&fixture, &[0]);
    assert_eq!(commit(&fixture, &client, 10, NO_MEMBER, 3), 48);
    assert_eq!(client.add_group(&fixture, "", 4), 24);
    client.add_group(&fixture, GROUP, 4);
    assert_eq!(commit(&fixture, &client, 10, NO_MEMBER, 3), 0);
    let zombie = Client {
        epoch: -1,
        ..client.clone()
    };
    assert_eq!(commit(&fixture, &zombie, 10, NO_MEMBER, 3), 47);
    let other = Client {
        producer: 999,
        ..client.clone()
    };
    assert_eq!(commit(&fixture, &other, 10, NO_MEMBER, 3), 49);
}

#[test]
fn members_and_generations_that_the_group_does_not_know_are_refused() {
    let fixture = Fixture::new();
    let client = Client::init(&fixture, ID);
    client.add_group(&fixture, GROUP, 4);
    assert_eq!(commit(&fixture, &client, 10, ("member", 3), 3), 22);
    let protocol = join_group_request::JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(Bytes::from_static(b"\0\0\0\0\0\0\xff\xff\xff\xff"));
    let join = JoinGroupRequest::default()
        .with_group_id(GroupId(text(GROUP)))
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(10_000)
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol]);
    let joined = fixture.call(&join, 3);
    let member = joined.member_id.as_str();
    let generation = joined.generation_id;
    let with =
        |member: &str, generation: i32| commit(&fixture, &client, 10, (member, generation), 3);
    assert_eq!(with(member, generation), 0);
    assert_eq!(with(member, generation + 1), 22);
    assert_eq!(with("stranger", generation), 25);
    assert_eq!(with("", -1), 0, "old clients name no member");
}

#[test]
fn offsets_survive_a_restart_within_and_after_the_transaction() {
    let fixture = Fixture::new();
    let client = Client::init(&fixture, ID);
    client.add_group(&fixture, GROUP, 4);
    commit(&fixture, &client, 10, NO_MEMBER, 3);
    let fixture = fixture.reopen();
    assert_eq!(committed(&fixture, true, 9), (88, -1));
    assert_eq!(client.end(&fixture, true), 0);
    let fixture = fixture.reopen();
    assert_eq!(committed(&fixture, true, 9), (0, 10));
}

#[test]
fn offsets_of_a_topic_that_was_deleted_are_not_committed() {
    let fixture = Fixture::new();
    let client = Client::init(&fixture, ID);
    client.add_group(&fixture, GROUP, 4);
    client.add(&fixture, &[0]);
    commit(&fixture, &client, 10, NO_MEMBER, 3);
    delete(&fixture, "known");
    assert_eq!(client.end(&fixture, true), 0);
    assert!(fixture.cluster.groups().offsets(GROUP).is_empty());
}
