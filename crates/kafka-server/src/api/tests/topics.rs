//! Settings, growth and description of topics in every version.

use kafka_protocol::error::ResponseError;

use crate::api::tests::*;
use crate::records::tests::body;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

fn describe(fixture: &Fixture, kind: i8, name: &str, version: i16) -> Vec<(String, String, i8)> {
    let resource = describe_configs_request::DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configuration_keys(None);
    let request = DescribeConfigsRequest::default()
        .with_resources(vec![resource])
        .with_include_synonyms(true);
    let result = fixture.call(&request, version).results.remove(0);
    assert_eq!(result.error_code, 0);
    let configs = result.configs.into_iter();
    configs
        .map(|config| {
            let value = config.value.unwrap_or_default().to_string();
            (config.name.to_string(), value, config.config_source)
        })
        .collect()
}

fn retention(fixture: &Fixture) -> (String, i8) {
    let all = describe(fixture, TOPIC, "known", 4);
    let found = all.into_iter().find(|(name, ..)| name == "retention.ms");
    let (_, value, source) = found.unwrap();
    (value, source)
}

fn change(
    fixture: &Fixture,
    name: &str,
    operation: i8,
    value: Option<&str>,
    version: i16,
) -> (i16, String) {
    let config = incremental_alter_configs_request::AlterableConfig::default()
        .with_name(text(name))
        .with_config_operation(operation)
        .with_value(value.map(text));
    let resource = incremental_alter_configs_request::AlterConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(text("known"))
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    let response = fixture.call(&request, version).responses.remove(0);
    let message = response.error_message.unwrap_or_default().to_string();
    (response.error_code, message)
}

#[test]
fn settings_are_described_in_every_version() {
    let fixture = Fixture::new();
    for version in versions::<DescribeConfigsRequest>() {
        assert!(describe(&fixture, TOPIC, "known", version).len() > 20);
        let broker = describe(&fixture, BROKER, "1", version);
        assert!(broker.iter().any(|(name, ..)| name == "num.partitions"));
    }
}

#[test]
fn settings_are_changed_singly_and_replaced_together() {
    let fixture = Fixture::new();
    let week = ("604800000".to_owned(), 5);
    for version in versions::<IncrementalAlterConfigsRequest>() {
        let changed = change(&fixture, "retention.ms", 0, Some("5"), version);
        assert_eq!(changed.0, 0);
        assert_eq!(retention(&fixture), ("5".to_owned(), 1));
        change(&fixture, "retention.ms", 1, None, version);
        assert_eq!(retention(&fixture), week);
    }
    for version in versions::<AlterConfigsRequest>() {
        change(&fixture, "retention.ms", 0, Some("5"), 1);
        let config = alter_configs_request::AlterableConfig::default()
            .with_name(text("retention.bytes"))
            .with_value(Some(text("9")));
        let resource = alter_configs_request::AlterConfigsResource::default()
            .with_resource_type(TOPIC)
            .with_resource_name(text("known"))
            .with_configs(vec![config]);
        let request = AlterConfigsRequest::default().with_resources(vec![resource]);
        assert_eq!(fixture.call(&request, version).responses[0].error_code, 0);
        assert_eq!(retention(&fixture), week);
    }
}

fn change_broker(
    fixture: &Fixture,
    broker: &str,
    name: &str,
    value: Option<&str>,
) -> (i16, String) {
    let config = incremental_alter_configs_request::AlterableConfig::default()
        .with_name(text(name))
        .with_config_operation(i8::from(value.is_none()))
        .with_value(value.map(text));
    let resource = incremental_alter_configs_request::AlterConfigsResource::default()
        .with_resource_type(BROKER)
        .with_resource_name(text(broker))
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    let response = fixture.call(&request, 1).responses.remove(0);
    let message = response.error_message.unwrap_or_default().to_string();
    (response.error_code, message)
}

fn found(settings: Vec<(String, String, i8)>, name: &str) -> Option<(String, i8)> {
    let found = settings.into_iter().find(|(known, ..)| known == name);
    found.map(|(_, value, source)| (value, source))
}

#[test]
fn settings_of_the_broker_are_the_defaults_of_topics() {
    let fixture = Fixture::new();
    let name = "log.retention.ms";
    let of_broker = |fixture: &Fixture, broker| found(describe(fixture, BROKER, broker, 4), name);
    assert_eq!(of_broker(&fixture, "1"), Some(("604800000".to_owned(), 5)));
    assert_eq!(of_broker(&fixture, ""), None);
    assert_eq!(change_broker(&fixture, "", name, Some("7")).0, 0);
    assert_eq!(of_broker(&fixture, ""), Some(("7".to_owned(), 3)));
    assert_eq!(of_broker(&fixture, "1"), Some(("7".to_owned(), 3)));
    assert_eq!(retention(&fixture), ("7".to_owned(), 3));
    assert_eq!(change_broker(&fixture, "1", name, Some("8")).0, 0);
    assert_eq!(of_broker(&fixture, "1"), Some(("8".to_owned(), 2)));
    let fixture = fixture.reopen();
    assert_eq!(retention(&fixture), ("8".to_owned(), 2));
    let topic = fixture.cluster.topic(TopicRef::Name("known")).unwrap();
    assert_eq!(topic.config().retention.milliseconds, Some(8));
    change(&fixture, "retention.ms", 0, Some("9"), 1);
    assert_eq!(retention(&fixture), ("9".to_owned(), 1));
    assert_eq!(topic.config().retention.milliseconds, Some(9));
    change(&fixture, "retention.ms", 1, None, 1);
    change_broker(&fixture, "1", name, None);
    change_broker(&fixture, "", name, None);
    assert_eq!(retention(&fixture), ("604800000".to_owned(), 5));
}

#[test]
fn every_alterable_setting_of_the_broker_can_be_set_to_its_value() {
    let fixture = Fixture::new();
    for (name, value, _) in describe(&fixture, BROKER, "1", 4) {
        let read_only = crate::broker_config::READ_ONLY.contains(&&name[..]);
        let code = change_broker(&fixture, "1", &name, Some(&value)).0;
        assert_eq!(code, if read_only { 42 } else { 0 }, "{name}={value}");
    }
    assert_eq!(describe(&fixture, BROKER, "", 4).len(), 0);
}

#[test]
fn settings_that_the_broker_does_not_alter_are_named() {
    let fixture = Fixture::new();
    let refused = |name, value| change_broker(&fixture, "1", name, Some(value));
    let (code, message) = refused("num.partitions", "3");
    assert_eq!(code, 42);
    assert_eq!(
        message,
        "`num.partitions` cannot be altered while the broker runs"
    );
    let (code, message) = refused("no.such", "3");
    assert_eq!(code, 40);
    assert!(message.starts_with("`no.such` is not a setting of the broker"));
    assert_eq!(refused("retention.ms", "3").0, 40, "a topic's name");
    assert_eq!(refused("log.retention.ms", "soon").0, 40);
    let other = change_broker(&fixture, "2", "log.retention.ms", Some("3"));
    assert_eq!(other.0, 42);
    let config = alter_configs_request::AlterableConfig::default()
        .with_name(text("message.max.bytes"))
        .with_value(Some(text("1000")));
    let resource = alter_configs_request::AlterConfigsResource::default()
        .with_resource_type(BROKER)
        .with_resource_name(text("1"))
        .with_configs(vec![config]);
    let request = AlterConfigsRequest::default().with_resources(vec![resource]);
    assert_eq!(fixture.call(&request, 2).responses[0].error_code, 0);
    assert_eq!(produce(&fixture, 7, filled(100, 5)).0, 10);
}

#[test]
fn words_are_appended_to_lists_and_subtracted_from_them() {
    let (append, subtract) = (2, 3);
    let fixture = Fixture::new();
    let policy = || {
        let all = describe(&fixture, TOPIC, "known", 4);
        let found = all.into_iter().find(|(name, ..)| name == "cleanup.policy");
        found.unwrap().1
    };
    for _twice in 0..2 {
        change(&fixture, "cleanup.policy", append, Some("compact"), 1);
        assert_eq!(policy(), "delete,compact");
    }
    change(&fixture, "cleanup.policy", append, Some("delete"), 1);
    assert_eq!(policy(), "delete,compact");
    change(&fixture, "cleanup.policy", subtract, Some("compact"), 1);
    assert_eq!(policy(), "delete");
    let (code, message) = change(&fixture, "retention.ms", append, Some("5"), 1);
    assert_eq!(
        (code, message.as_str()),
        (40, "`retention.ms` does not support operation 2")
    );
}

#[test]
fn acls_are_refused_as_without_an_authorizer() {
    let fixture = Fixture::new();
    let disabled = ResponseError::SecurityDisabled.code();
    for version in versions::<DescribeAclsRequest>() {
        let request = DescribeAclsRequest::default().with_host_filter(Some(text("*")));
        assert_eq!(fixture.call(&request, version).error_code, disabled);
    }
    for version in versions::<CreateAclsRequest>() {
        let rule = create_acls_request::AclCreation::default().with_host(text("*"));
        let request = CreateAclsRequest::default().with_creations(vec![rule; 2]);
        let results = fixture.call(&request, version).results;
        let codes: Vec<i16> = results.iter().map(|result| result.error_code).collect();
        assert_eq!(codes, [disabled; 2]);
    }
    for version in versions::<DeleteAclsRequest>() {
        let filter = delete_acls_request::DeleteAclsFilter::default();
        let request = DeleteAclsRequest::default().with_filters(vec![filter; 2]);
        let results = fixture.call(&request, version).filter_results;
        let codes: Vec<i16> = results.iter().map(|result| result.error_code).collect();
        assert_eq!(codes, [disabled; 2]);
    }
}

#[test]
fn invalid_settings_are_refused_with_a_message() {
    let fixture = Fixture::new();
    let (code, message) = change(&fixture, "retention.ms", 0, Some("soon"), 1);
    assert_eq!(
        (code, message.as_str()),
        (40, "invalid value `soon` for `retention.ms`")
    );
    let (code, message) = change(&fixture, "no.such", 0, Some("1"), 1);
    assert_eq!(
        (code, message.as_str()),
        (40, "`no.such` is not a setting of topics")
    );
}

#[test]
fn topic_grows_but_does_not_shrink() {
    let fixture = Fixture::new();
    let mut count = 2;
    for version in versions::<CreatePartitionsRequest>() {
        count += 1;
        let grow = |count| {
            let topic = create_partitions_request::CreatePartitionsTopic::default()
                .with_name(topic_name("known"))
                .with_count(count)
                .with_assignments(None);
            let request = CreatePartitionsRequest::default().with_topics(vec![topic]);
            fixture.call(&request, version).results[0].error_code
        };
        assert_eq!(grow(count), 0);
        assert_eq!(grow(count - 1), 37);
        let topic = fixture.cluster.topic(TopicRef::Name("known")).unwrap();
        assert_eq!(topic.partition_count(), count);
    }
}

#[test]
fn cluster_and_log_dirs_are_described_in_every_version() {
    let fixture = Fixture::new();
    for version in versions::<DescribeClusterRequest>() {
        let response = fixture.call(&DescribeClusterRequest::default(), version);
        assert_eq!(response.brokers[0].port, 9092);
        assert_eq!(response.cluster_id, text(fixture.cluster.id()));
    }
    produce(&fixture, 7, filled(1, 0));
    for version in versions::<DescribeLogDirsRequest>() {
        let request = DescribeLogDirsRequest::default().with_topics(None);
        let response = fixture.call(&request, version);
        assert_eq!(
            response.results[0].topics[0].partitions[1].partition_size,
            i64::try_from(filled(1, 0).len()).unwrap()
        );
    }
}

#[test]
fn end_of_the_only_epoch_is_the_end_of_the_log() {
    let fixture = Fixture::new();
    produce(&fixture, 7, filled(3, 0));
    for version in versions::<OffsetForLeaderEpochRequest>() {
        let partition = offset_for_leader_epoch_request::OffsetForLeaderPartition::default()
            .with_partition(1)
            .with_leader_epoch(0);
        let topic = offset_for_leader_epoch_request::OffsetForLeaderTopic::default()
            .with_topic(topic_name("known"))
            .with_partitions(vec![partition]);
        let request = OffsetForLeaderEpochRequest::default().with_topics(vec![topic]);
        let response = fixture.call(&request, version);
        assert_eq!(response.topics[0].partitions[0].end_offset, 3);
    }
}

#[test]
fn retried_batch_gets_its_first_offset() {
    let fixture = Fixture::new();
    let sent = |sequence| batch_of_producer(2, 0, &body(2), &Producer(7, 0, sequence));
    assert_eq!(produce(&fixture, 9, sent(0)), (0, 0));
    assert_eq!(produce(&fixture, 9, sent(2)), (0, 2));
    assert_eq!(produce(&fixture, 9, sent(0)), (0, 0));
    assert_eq!(produce(&fixture, 9, sent(9)), (45, -1));
    assert_eq!(produce(&fixture, 9, sent(4)), (0, 4));
}

#[test]
fn partitions_of_all_topics_are_limited() {
    let fixture = Fixture::new();
    let check = |partitions| fixture.cluster.check_new_topic("more", partitions);
    assert_eq!(check(3_998), Ok(3_998));
    assert_eq!(check(3_999), Err(ResponseError::InvalidPartitions));
    let known = fixture.cluster.topic(TopicRef::Name("known")).unwrap();
    let grown = fixture.cluster.grow_topic(&known, 4_001, true);
    assert_eq!(grown, Err(ResponseError::InvalidPartitions));
    assert_eq!(fixture.cluster.grow_topic(&known, 4_000, true), Ok(()));
}

fn new_topic(name: &str) -> create_topics_request::CreatableTopic {
    create_topics_request::CreatableTopic::default()
        .with_name(topic_name(name))
        .with_num_partitions(-1)
        .with_replication_factor(-1)
}

fn create(
    fixture: &Fixture,
    topics: Vec<create_topics_request::CreatableTopic>,
) -> Vec<create_topics_response::CreatableTopicResult> {
    let request = CreateTopicsRequest::default().with_topics(topics);
    fixture.call(&request, 7).topics
}

#[test]
fn created_topic_is_answered_with_its_settings_and_without_a_message() {
    let fixture = Fixture::new();
    let setting = create_topics_request::CreatableTopicConfig::default()
        .with_name(text("retention.ms"))
        .with_value(Some(text("5")));
    let topic = new_topic("made").with_configs(vec![setting]);
    let made = create(&fixture, vec![topic]).remove(0);
    assert_eq!((made.error_code, made.error_message), (0, None));
    let configs = made.configs.unwrap();
    assert_eq!(configs.len(), crate::config::all().len());
    let own = configs
        .iter()
        .find(|config| config.config_source == 1)
        .unwrap();
    assert_eq!(
        (own.name.as_str(), own.value.as_deref()),
        ("retention.ms", Some("5"))
    );
}

#[test]
fn topic_that_is_named_twice_is_refused_once() {
    let fixture = Fixture::new();
    let topics = vec![new_topic("twice"), new_topic("once"), new_topic("twice")];
    let answers = create(&fixture, topics);
    let codes: Vec<(String, i16)> = answers
        .iter()
        .map(|answer| (answer.name.to_string(), answer.error_code))
        .collect();
    assert_eq!(codes, [("twice".to_owned(), 42), ("once".to_owned(), 0)]);
    assert!(fixture.cluster.topic(TopicRef::Name("twice")).is_err());
}

#[test]
fn new_topics_are_refused_with_code_and_message() {
    let fixture = Fixture::new();
    fixture
        .cluster
        .create_topic("a.b", 1, BTreeMap::new())
        .unwrap();
    let assigned = |partitions: &[(i32, &[i32])]| {
        let assignments = partitions.iter().map(|(index, brokers)| {
            create_topics_request::CreatableReplicaAssignment::default()
                .with_partition_index(*index)
                .with_broker_ids(brokers.iter().map(|id| BrokerId(*id)).collect())
        });
        new_topic("assigned").with_assignments(assignments.collect())
    };
    let cases = [
        (new_topic("a_b"), 17),
        (new_topic("known"), 36),
        (new_topic("not valid"), 17),
        (new_topic("__consumer_offsets"), 42),
        (new_topic("__transaction_state"), 42),
        (new_topic("many").with_replication_factor(3), 38),
        (new_topic("none").with_num_partitions(0), 37),
        (assigned(&[(0, &[])]), 39),
        (assigned(&[(0, &[1, 1])]), 39),
        (assigned(&[(0, &[2])]), 39),
        (assigned(&[(1, &[1])]), 39),
        (assigned(&[(0, &[1]), (0, &[1])]), 39),
        (assigned(&[(0, &[1])]).with_num_partitions(1), 42),
        (assigned(&[(0, &[1])]).with_replication_factor(1), 42),
    ];
    for (topic, code) in cases {
        let refused = create(&fixture, vec![topic.clone()]).remove(0);
        assert_eq!(refused.error_code, code, "{topic:?}");
        assert!(
            !refused.error_message.unwrap_or_default().is_empty(),
            "{topic:?}"
        );
    }
    let made = create(&fixture, vec![assigned(&[(1, &[1]), (0, &[1])])]).remove(0);
    assert_eq!((made.error_code, made.num_partitions), (0, 2));
}

#[test]
fn assignments_of_added_partitions_are_checked() {
    let fixture = Fixture::new();
    let code = |assignments: &[&[i32]]| {
        let assignments = assignments.iter().map(|brokers| {
            create_partitions_request::CreatePartitionsAssignment::default()
                .with_broker_ids(brokers.iter().map(|id| BrokerId(*id)).collect())
        });
        let topic = create_partitions_request::CreatePartitionsTopic::default()
            .with_name(topic_name("known"))
            .with_count(3)
            .with_assignments(Some(assignments.collect()));
        let request = CreatePartitionsRequest::default().with_topics(vec![topic]);
        fixture.call(&request, 3).results[0].error_code
    };
    assert_eq!(code(&[]), 39);
    assert_eq!(code(&[&[1], &[1]]), 39);
    assert_eq!(code(&[&[7]]), 39);
    assert_eq!(code(&[&[1]]), 0);
}

#[test]
fn internal_topics_are_not_created_by_metadata_requests() {
    let fixture = Fixture::new();
    let wanted = metadata_request::MetadataRequestTopic::default()
        .with_name(Some(topic_name("__consumer_offsets")));
    let request = MetadataRequest::default()
        .with_topics(Some(vec![wanted]))
        .with_allow_auto_topic_creation(true);
    assert_eq!(fixture.call(&request, 12).topics[0].error_code, 3);
}

#[test]
fn authorized_operations_are_all_if_asked_for() {
    let fixture = Fixture::new();
    let ask = |wanted| {
        let request = MetadataRequest::default()
            .with_topics(None)
            .with_include_cluster_authorized_operations(wanted)
            .with_include_topic_authorized_operations(wanted);
        let metadata = fixture.call(&request, 10);
        let request =
            DescribeClusterRequest::default().with_include_cluster_authorized_operations(wanted);
        let cluster = fixture.call(&request, 1).cluster_authorized_operations;
        let topic = metadata.topics[0].topic_authorized_operations;
        (topic, metadata.cluster_authorized_operations, cluster)
    };
    let (topic, cluster, described) = ask(true);
    assert_eq!((topic.count_ones(), cluster.count_ones()), (8, 7));
    assert_eq!(described, cluster);
    assert_eq!(ask(false), (i32::MIN, i32::MIN, i32::MIN));
}
