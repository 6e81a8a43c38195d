//! The APIs that the broker answers, and their versions.

use kafka_protocol::messages::ApiKey;

/// Supported versions by API, in order of API key.
pub const SUPPORTED: &[Supported] = &[
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
    Supported::new(ApiKey::AddPartitionsToTxn, 0, 3),
    Supported::new(ApiKey::AddOffsetsToTxn, 0, 4),
    Supported::new(ApiKey::EndTxn, 0, 4),
    Supported::new(ApiKey::WriteTxnMarkers, 1, 1),
    Supported::new(ApiKey::TxnOffsetCommit, 0, 4),
    Supported::new(ApiKey::DescribeAcls, 1, 3),
    Supported::new(ApiKey::CreateAcls, 1, 3),
    Supported::new(ApiKey::DeleteAcls, 1, 3),
    Supported::new(ApiKey::DescribeConfigs, 1, 4),
    Supported::new(ApiKey::AlterConfigs, 0, 2),
    Supported::new(ApiKey::DescribeLogDirs, 1, 4),
    Supported::new(ApiKey::SaslAuthenticate, 0, 2),
    Supported::new(ApiKey::CreatePartitions, 0, 3),
    Supported::new(ApiKey::DeleteGroups, 0, 2),
    Supported::new(ApiKey::ElectLeaders, 0, 2),
    Supported::new(ApiKey::IncrementalAlterConfigs, 0, 1),
    Supported::new(ApiKey::ListPartitionReassignments, 0, 0),
    Supported::new(ApiKey::OffsetDelete, 0, 0),
    Supported::new(ApiKey::DescribeClientQuotas, 0, 1),
    Supported::new(ApiKey::DescribeUserScramCredentials, 0, 0),
    Supported::new(ApiKey::DescribeQuorum, 0, 2),
    Supported::new(ApiKey::DescribeCluster, 0, 2),
    Supported::new(ApiKey::DescribeProducers, 0, 0),
    Supported::new(ApiKey::DescribeTransactions, 0, 0),
    Supported::new(ApiKey::ListTransactions, 0, 1),
    Supported::new(ApiKey::DescribeTopicPartitions, 0, 0),
];

#[derive(Debug, Clone, Copy)]
pub struct Supported {
    pub api: ApiKey,
    pub min: i16,
    pub max: i16,
}

impl Supported {
    const fn new(api: ApiKey, min: i16, max: i16) -> Self {
        Self { api, min, max }
    }
}

/// Returns the versions of the API with this key.
pub fn find(api: i16) -> Option<&'static Supported> {
    SUPPORTED
        .iter()
        .find(|supported| supported.api as i16 == api)
}
