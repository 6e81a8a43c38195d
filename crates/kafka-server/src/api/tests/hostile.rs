//! Damaged requests: truncated, with flipped bits, with inserted bytes, with counts of billions.
//!
//! The corpus is every API in every version, as `kafka-protocol` encodes it. No request may cause a
//! panic, a hang or an endless response, and the next valid request must be answered as usual.

use crate::api::tests::*;

/// Limit on the response to a damaged request of a few hundred bytes, with one small topic.
const MAX_RESPONSE_BYTES: usize = 4 * 1024 * 1024;

fn add<R: Request>(corpus: &mut Vec<Bytes>, request: &R) {
    let frames = versions::<R>().filter_map(|version| {
        // Fields that a version does not have make some requests impossible in it.
        let mut body = BytesMut::new();
        request.encode(&mut body, version).ok()?;
        Some(encode(request, version))
    });
    corpus.extend(frames);
}

fn group() -> GroupId {
    GroupId(text("group"))
}

fn topic_requests(corpus: &mut Vec<Bytes>) {
    let name = || topic_name("known");
    let partition = produce_request::PartitionProduceData::default()
        .with_records(Some(Bytes::from(filled(2, 5))));
    let data = produce_request::TopicProduceData::default()
        .with_name(name())
        .with_partition_data(vec![partition]);
    add(
        corpus,
        &ProduceRequest::default()
            .with_acks(1)
            .with_topic_data(vec![data]),
    );
    let partition = fetch_request::FetchPartition::default().with_partition_max_bytes(1_000);
    let topic = fetch_request::FetchTopic::default()
        .with_topic(name())
        .with_partitions(vec![partition]);
    let fetch = FetchRequest::default()
        .with_min_bytes(1)
        .with_max_bytes(1_000)
        .with_topics(vec![topic]);
    add(corpus, &fetch);
    let wanted = metadata_request::MetadataRequestTopic::default().with_name(Some(name()));
    add(
        corpus,
        &MetadataRequest::default().with_topics(Some(vec![wanted])),
    );
    let topic = create_topics_request::CreatableTopic::default()
        .with_name(topic_name("made"))
        .with_num_partitions(1)
        .with_replication_factor(1);
    add(
        corpus,
        &CreateTopicsRequest::default().with_topics(vec![topic]),
    );
    add(
        corpus,
        &DeleteTopicsRequest::default().with_topic_names(vec![topic_name("made")]),
    );
    offset_and_config_requests(corpus);
}

fn offset_and_config_requests(corpus: &mut Vec<Bytes>) {
    let name = || topic_name("known");
    let partition = list_offsets_request::ListOffsetsPartition::default().with_timestamp(-2);
    let topic = list_offsets_request::ListOffsetsTopic::default()
        .with_name(name())
        .with_partitions(vec![partition]);
    add(
        corpus,
        &ListOffsetsRequest::default().with_topics(vec![topic]),
    );
    let partition = delete_records_request::DeleteRecordsPartition::default();
    let topic = delete_records_request::DeleteRecordsTopic::default()
        .with_name(name())
        .with_partitions(vec![partition]);
    add(
        corpus,
        &DeleteRecordsRequest::default().with_topics(vec![topic]),
    );
    let resource = describe_configs_request::DescribeConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text("known"));
    add(
        corpus,
        &DescribeConfigsRequest::default().with_resources(vec![resource]),
    );
    let config = incremental_alter_configs_request::AlterableConfig::default()
        .with_name(text("retention.ms"))
        .with_value(Some(text("5")));
    let resource = incremental_alter_configs_request::AlterConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text("known"))
        .with_configs(vec![config]);
    add(
        corpus,
        &IncrementalAlterConfigsRequest::default().with_resources(vec![resource]),
    );
    acl_requests(corpus);
    add(corpus, &AlterConfigsRequest::default());
    add(corpus, &CreatePartitionsRequest::default());
    add(corpus, &OffsetForLeaderEpochRequest::default());
    add(corpus, &DescribeLogDirsRequest::default());
}

fn acl_requests(corpus: &mut Vec<Bytes>) {
    add(
        corpus,
        &DescribeAclsRequest::default().with_host_filter(Some(text("*"))),
    );
    let rule = create_acls_request::AclCreation::default()
        .with_principal(text("User:driver"))
        .with_host(text("*"));
    add(
        corpus,
        &CreateAclsRequest::default().with_creations(vec![rule]),
    );
    let filter = delete_acls_request::DeleteAclsFilter::default();
    add(
        corpus,
        &DeleteAclsRequest::default().with_filters(vec![filter]),
    );
}

fn one_node_requests(corpus: &mut Vec<Bytes>) {
    add(
        corpus,
        &DescribeClientQuotasRequest::default().with_components(vec![
            describe_client_quotas_request::ComponentData::default(),
        ]),
    );
    let topic = describe_quorum_request::TopicData::default()
        .with_topic_name(topic_name("__cluster_metadata"))
        .with_partitions(vec![describe_quorum_request::PartitionData::default()]);
    add(
        corpus,
        &DescribeQuorumRequest::default().with_topics(vec![topic]),
    );
    let cursor =
        describe_topic_partitions_request::Cursor::default().with_topic_name(topic_name("known"));
    add(
        corpus,
        &DescribeTopicPartitionsRequest::default().with_cursor(Some(cursor)),
    );
    let user = describe_user_scram_credentials_request::UserName::default().with_name(text("user"));
    add(
        corpus,
        &DescribeUserScramCredentialsRequest::default().with_users(Some(vec![user])),
    );
    let topic = elect_leaders_request::TopicPartitions::default()
        .with_topic(topic_name("known"))
        .with_partitions(vec![0]);
    add(
        corpus,
        &ElectLeadersRequest::default().with_topic_partitions(Some(vec![topic])),
    );
    let topic = list_partition_reassignments_request::ListPartitionReassignmentsTopics::default()
        .with_name(topic_name("known"))
        .with_partition_indexes(vec![0]);
    add(
        corpus,
        &ListPartitionReassignmentsRequest::default().with_topics(Some(vec![topic])),
    );
}

fn transaction_requests(corpus: &mut Vec<Bytes>) {
    let id = || TransactionalId(text("id"));
    add(
        corpus,
        &InitProducerIdRequest::default()
            .with_transactional_id(Some(id()))
            .with_transaction_timeout_ms(1_000),
    );
    let topic = add_partitions_to_txn_request::AddPartitionsToTxnTopic::default()
        .with_name(topic_name("known"))
        .with_partitions(vec![0]);
    let partitions = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(id())
        .with_v3_and_below_topics(vec![topic]);
    add(corpus, &partitions);
    let offsets = AddOffsetsToTxnRequest::default().with_transactional_id(id());
    add(corpus, &offsets.with_group_id(group()));
    let partition = txn_offset_commit_request::TxnOffsetCommitRequestPartition::default()
        .with_committed_metadata(Some(text("note")));
    let topic = txn_offset_commit_request::TxnOffsetCommitRequestTopic::default()
        .with_name(topic_name("known"))
        .with_partitions(vec![partition]);
    let commit = TxnOffsetCommitRequest::default()
        .with_transactional_id(id())
        .with_group_id(group())
        .with_topics(vec![topic]);
    add(corpus, &commit);
    add(
        corpus,
        &EndTxnRequest::default().with_transactional_id(id()),
    );
    let topic = write_txn_markers_request::WritableTxnMarkerTopic::default()
        .with_name(topic_name("known"))
        .with_partition_indexes(vec![0]);
    let marker = write_txn_markers_request::WritableTxnMarker::default().with_topics(vec![topic]);
    add(
        corpus,
        &WriteTxnMarkersRequest::default().with_markers(vec![marker]),
    );
    let described = DescribeTransactionsRequest::default().with_transactional_ids(vec![id()]);
    add(corpus, &described);
    let listed = ListTransactionsRequest::default().with_state_filters(vec![text("Ongoing")]);
    add(corpus, &listed);
    let topic = describe_producers_request::TopicRequest::default()
        .with_name(topic_name("known"))
        .with_partition_indexes(vec![0]);
    add(
        corpus,
        &DescribeProducersRequest::default().with_topics(vec![topic]),
    );
}

fn group_requests(corpus: &mut Vec<Bytes>) {
    let protocol = join_group_request::JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(Bytes::from_static(
            b"\0\0\0\0\0\x01\0\x05known\xff\xff\xff\xff",
        ));
    let join = JoinGroupRequest::default()
        .with_group_id(group())
        .with_session_timeout_ms(10_000)
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol]);
    add(corpus, &join);
    let assignment = sync_group_request::SyncGroupRequestAssignment::default()
        .with_member_id(text("member"))
        .with_assignment(Bytes::from_static(b"part"));
    let sync = SyncGroupRequest::default()
        .with_group_id(group())
        .with_assignments(vec![assignment]);
    add(corpus, &sync);
    add(corpus, &HeartbeatRequest::default().with_group_id(group()));
    add(corpus, &LeaveGroupRequest::default().with_group_id(group()));
    let partition = offset_commit_request::OffsetCommitRequestPartition::default()
        .with_committed_metadata(Some(text("note")));
    let topic = offset_commit_request::OffsetCommitRequestTopic::default()
        .with_name(topic_name("known"))
        .with_partitions(vec![partition]);
    let commit = OffsetCommitRequest::default()
        .with_group_id(group())
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    add(corpus, &commit);
    add(
        corpus,
        &OffsetFetchRequest::default().with_group_id(group()),
    );
    let wanted = offset_fetch_request::OffsetFetchRequestGroup::default().with_group_id(group());
    add(
        corpus,
        &OffsetFetchRequest::default().with_groups(vec![wanted]),
    );
    add(
        corpus,
        &OffsetDeleteRequest::default().with_group_id(group()),
    );
    add(
        corpus,
        &DescribeGroupsRequest::default().with_groups(vec![group()]),
    );
    add(
        corpus,
        &DeleteGroupsRequest::default().with_groups_names(vec![group()]),
    );
    add(
        corpus,
        &ListGroupsRequest::default().with_states_filter(vec![text("Stable")]),
    );
    add(
        corpus,
        &FindCoordinatorRequest::default().with_key(text("group")),
    );
    add(
        corpus,
        &FindCoordinatorRequest::default().with_coordinator_keys(vec![text("group")]),
    );
}

fn corpus() -> Vec<Bytes> {
    let mut corpus = Vec::new();
    topic_requests(&mut corpus);
    group_requests(&mut corpus);
    one_node_requests(&mut corpus);
    transaction_requests(&mut corpus);
    add(&mut corpus, &ApiVersionsRequest::default());
    add(&mut corpus, &DescribeClusterRequest::default());
    add(&mut corpus, &InitProducerIdRequest::default());
    add(
        &mut corpus,
        &SaslHandshakeRequest::default().with_mechanism(text("PLAIN")),
    );
    let token = Bytes::from_static(b"\0user\0password");
    add(
        &mut corpus,
        &SaslAuthenticateRequest::default().with_auth_bytes(token),
    );
    corpus
}

static CORPUS: LazyLock<Vec<Bytes>> = LazyLock::new(corpus);

fn survives(frame: &[u8]) {
    let mut output = BytesMut::new();
    let _outcome = SHARED.answer(frame, &mut output);
    assert!(output.len() < MAX_RESPONSE_BYTES, "{} bytes", output.len());
}

#[test]
fn corpus_covers_every_api_and_is_answered() {
    let fixture = Fixture::new();
    let mut apis = std::collections::BTreeSet::new();
    for frame in &*CORPUS {
        apis.insert(i16::from_be_bytes([frame[0], frame[1]]));
        fixture.answer(frame, &mut BytesMut::new()).unwrap();
    }
    let supported: std::collections::BTreeSet<i16> = SUPPORTED
        .iter()
        .map(|supported| supported.api as i16)
        .collect();
    assert_eq!(apis, supported);
}

#[test]
fn requests_truncated_at_every_byte_do_not_panic() {
    for frame in &*CORPUS {
        for cut in 0..frame.len() {
            survives(&frame[..cut]);
        }
    }
}

#[test]
fn requests_with_the_largest_number_at_every_byte_do_not_panic() {
    for frame in &*CORPUS {
        for at in 8..frame.len() {
            for number in [
                &[0x7f, 0xff, 0xff, 0xff][..],
                &[0xff, 0xff, 0xff, 0xff, 0x0f],
            ] {
                let mut damaged = frame.to_vec();
                let end = (at + number.len()).min(damaged.len());
                damaged[at..end].copy_from_slice(&number[..end - at]);
                // Waits that long are interrupted by the fixture at once.
                survives(&damaged);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn requests_survive_random_damage(
        which: prop::sample::Index,
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        stuffed_at: prop::sample::Index,
        stuffing in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut damaged = which.get(&CORPUS[..]).to_vec();
        for (at, value) in flips {
            let at = at.index(damaged.len());
            damaged[at] = value;
        }
        let at = stuffed_at.index(damaged.len());
        damaged.splice(at..at, stuffing);
        survives(&damaged);
    }
}
