//! APIs whose answer is the same on every cluster of one node.

use crate::api::tests::*;

#[test]
fn leaders_never_need_an_election() {
    let fixture = Fixture::new();
    for version in versions::<ElectLeadersRequest>() {
        let topic = |name| {
            elect_leaders_request::TopicPartitions::default()
                .with_topic(topic_name(name))
                .with_partitions(vec![1, 9])
        };
        let request = ElectLeadersRequest::default()
            .with_topic_partitions(Some(vec![topic("known"), topic("none")]));
        let results = fixture.call(&request, version).replica_election_results;
        let codes: Vec<i16> = results
            .iter()
            .flat_map(|topic| {
                topic
                    .partition_result
                    .iter()
                    .map(|result| result.error_code)
            })
            .collect();
        assert_eq!(codes, [84, 3, 3, 3]);
    }
}

#[test]
fn partitions_are_described_page_by_page() {
    let fixture = Fixture::new();
    fixture
        .cluster
        .create_topic("another", 3, BTreeMap::new())
        .unwrap();
    let mut described = Vec::new();
    let mut cursor = None;
    loop {
        let request = DescribeTopicPartitionsRequest::default()
            .with_response_partition_limit(2)
            .with_cursor(cursor.take());
        let response = fixture.call(&request, 0);
        for topic in response.topics {
            let name = topic.name.unwrap().to_string();
            let partitions = topic.partitions.iter();
            described.extend(partitions.map(|partition| (name.clone(), partition.partition_index)));
        }
        let Some(next) = response.next_cursor else {
            break;
        };
        cursor = Some(
            describe_topic_partitions_request::Cursor::default()
                .with_topic_name(next.topic_name)
                .with_partition_index(next.partition_index),
        );
    }
    let expected = [
        ("another", 0),
        ("another", 1),
        ("another", 2),
        ("known", 0),
        ("known", 1),
    ];
    assert_eq!(
        described,
        expected.map(|(name, index)| (name.to_owned(), index))
    );
}

#[test]
fn unknown_topics_and_users_are_errors() {
    let fixture = Fixture::new();
    let topic =
        describe_topic_partitions_request::TopicRequest::default().with_name(topic_name("none"));
    let request = DescribeTopicPartitionsRequest::default().with_topics(vec![topic]);
    assert_eq!(fixture.call(&request, 0).topics[0].error_code, 3);
    let user = describe_user_scram_credentials_request::UserName::default().with_name(text("none"));
    let request = DescribeUserScramCredentialsRequest::default().with_users(Some(vec![user]));
    assert_eq!(fixture.call(&request, 0).results[0].error_code, 91);
}

#[test]
fn only_voter_is_the_only_broker() {
    let fixture = Fixture::new();
    for version in versions::<DescribeQuorumRequest>() {
        let topic = describe_quorum_request::TopicData::default()
            .with_topic_name(topic_name("__cluster_metadata"))
            .with_partitions(vec![describe_quorum_request::PartitionData::default()]);
        let request = DescribeQuorumRequest::default().with_topics(vec![topic]);
        let partition = fixture
            .call(&request, version)
            .topics
            .remove(0)
            .partitions
            .remove(0);
        assert_eq!(
            (partition.error_code, partition.leader_id),
            (0, BrokerId(1))
        );
        assert_eq!(partition.current_voters[0].replica_id, BrokerId(1));
    }
}
