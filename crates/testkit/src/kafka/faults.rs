//! What a test can make go wrong in a broker.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use convoy_kafka_server::{Fault, FaultHook, FaultPlan, Moment};

use crate::rules::{Rules, Times};

/// A request that [`KafkaFaults`] can make fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Api {
    /// A producer's batch for a partition.
    Produce,
    /// A consumer's read of a partition.
    Fetch,
    /// A group's commit of offsets.
    OffsetCommit,
    /// A consumer's question for the committed offsets of its group.
    OffsetFetch,
    /// The search for the coordinator of a group or of a transactional producer.
    FindCoordinator,
    /// A consumer's entry into a group.
    JoinGroup,
    /// A consumer's heartbeat.
    Heartbeat,
    /// A consumer's exit from a group.
    LeaveGroup,
    /// A consumer's wait for its partitions.
    SyncGroup,
    /// The start of an idempotent or transactional producer.
    InitProducerId,
    /// A transaction's announcement of offsets.
    AddOffsetsToTxn,
    /// The commit or abort of a transaction.
    EndTxn,
}

impl From<Api> for i16 {
    /// Returns the API key of the protocol.
    fn from(api: Api) -> Self {
        match api {
            Api::Produce => 0,
            Api::Fetch => 1,
            Api::OffsetCommit => 8,
            Api::OffsetFetch => 9,
            Api::FindCoordinator => 10,
            Api::JoinGroup => 11,
            Api::Heartbeat => 12,
            Api::LeaveGroup => 13,
            Api::SyncGroup => 14,
            Api::InitProducerId => 22,
            Api::AddOffsetsToTxn => 25,
            Api::EndTxn => 26,
        }
    }
}

/// An error code of Kafka's protocol.
///
/// The constants are those that a program under test should be able to meet; `ErrorCode(n)` is any
/// other of [Kafka's list](https://kafka.apache.org/protocol#protocol_error_codes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub i16);

impl ErrorCode {
    /// The offset is outside the log: a consumer starts over by `auto.offset.reset`.
    pub const OFFSET_OUT_OF_RANGE: Self = Self(1);
    /// The batch is damaged. Clients retry.
    pub const CORRUPT_MESSAGE: Self = Self(2);
    /// Topic or partition is not here. Clients ask for metadata and retry.
    pub const UNKNOWN_TOPIC_OR_PARTITION: Self = Self(3);
    /// There is no leader at the moment. Clients retry.
    pub const LEADER_NOT_AVAILABLE: Self = Self(5);
    /// Another broker leads. Clients ask for metadata and retry.
    pub const NOT_LEADER_OR_FOLLOWER: Self = Self(6);
    /// The broker gave up waiting: the batch may be stored. Clients retry.
    pub const REQUEST_TIMED_OUT: Self = Self(7);
    /// The batch is too large. Clients do not retry.
    pub const MESSAGE_TOO_LARGE: Self = Self(10);
    /// The coordinator loads its groups. Clients retry.
    pub const COORDINATOR_LOAD_IN_PROGRESS: Self = Self(14);
    /// There is no coordinator at the moment. Clients look for it and retry.
    pub const COORDINATOR_NOT_AVAILABLE: Self = Self(15);
    /// Another broker coordinates the group. Clients look for it and retry.
    pub const NOT_COORDINATOR: Self = Self(16);
    /// Too few replicas are in sync: nothing is stored. Clients retry.
    pub const NOT_ENOUGH_REPLICAS: Self = Self(19);
    /// The group has gone on without the member. A consumer joins again.
    pub const ILLEGAL_GENERATION: Self = Self(22);
    /// The group does not know the member. A consumer joins again.
    pub const UNKNOWN_MEMBER_ID: Self = Self(25);
    /// The group rebalances. A consumer joins again.
    pub const REBALANCE_IN_PROGRESS: Self = Self(27);
    /// Another producer has the same transactional id. A producer ends.
    pub const PRODUCER_FENCED: Self = Self(90);
    /// The transaction before is still being ended. Clients retry.
    pub const CONCURRENT_TRANSACTIONS: Self = Self(51);
    /// The user may not use the topic. Clients do not retry.
    pub const TOPIC_AUTHORIZATION_FAILED: Self = Self(29);
    /// The user may not use the group. Clients do not retry.
    pub const GROUP_AUTHORIZATION_FAILED: Self = Self(30);
    /// A sequence number is missing. An idempotent producer fails.
    pub const OUT_OF_ORDER_SEQUENCE_NUMBER: Self = Self(45);
    /// The broker's disk fails. Clients retry.
    pub const KAFKA_STORAGE_ERROR: Self = Self(56);
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Kafka error {}", self.0)
    }
}

/// Faults of a broker, from [`Kafka::faults`](crate::Kafka::faults). They can be added and cleared
/// while clients are connected; a restart keeps them.
///
/// The same calls and the same requests give the same faults: there is no hidden randomness.
#[derive(Debug, Clone, Default)]
pub struct KafkaFaults(Arc<Plan>);

#[derive(Debug, Default)]
struct Plan(Rules<When, Fault>);

#[derive(Debug)]
enum When {
    Append,
    Appended,
    Fetch,
    Commit,
    Request(i16),
    Response(i16),
}

impl KafkaFaults {
    /// Answers the next requests with an error, and does nothing else for them.
    ///
    /// A request for several partitions counts once for each: of a fetch of three partitions,
    /// `fail_next(Api::Fetch, code, 2)` fails two.
    pub fn fail_next(&self, api: Api, code: ErrorCode, times: u32) {
        let when = match api {
            Api::Produce => When::Append,
            Api::Fetch => When::Fetch,
            Api::OffsetCommit => When::Commit,
            api => When::Request(api.into()),
        };
        self.add(when, Fault::Refuse(code.0), Times::Next(times));
    }

    /// Appends the next batches, and closes the connection instead of acknowledging them: the
    /// producer cannot know that they are stored.
    pub fn cut_next_after_append(&self, times: u32) {
        self.add(When::Appended, Fault::Cut, Times::Next(times));
    }

    /// The same for a share of all batches, from 0 to 1. The seed decides which.
    pub fn cut_after_append(&self, share: f64, seed: u64) {
        self.add(When::Appended, Fault::Cut, Times::share(share, seed));
    }

    /// Executes the next requests of a kind and closes the connection instead of responding. `api`
    /// is an [`Api`] or any API key of the protocol, such as `3_i16` for `Metadata`.
    pub fn cut_next(&self, api: impl Into<i16>, times: u32) {
        self.add(When::Response(api.into()), Fault::Cut, Times::Next(times));
    }

    /// Delays the responses to the next requests of a kind. `api` is as for
    /// [`cut_next`](Self::cut_next).
    pub fn delay_next(&self, api: impl Into<i16>, delay: Duration, times: u32) {
        let when = When::Response(api.into());
        self.add(when, Fault::Delay(delay), Times::Next(times));
    }

    /// Removes all faults that are still to come.
    pub fn clear(&self) {
        self.0.0.clear();
    }

    /// Returns how many faults were injected.
    pub fn injected(&self) -> u64 {
        self.0.0.injected()
    }

    /// Returns how many faults of the `…_next` kind are still to come.
    pub fn pending(&self) -> u64 {
        self.0.0.pending()
    }

    pub(super) fn plan(&self) -> Arc<FaultPlan> {
        let plan: Arc<Plan> = Arc::clone(&self.0);
        plan
    }

    fn add(&self, when: When, what: Fault, times: Times) {
        self.0.0.add(when, what, times);
    }
}

impl FaultHook<Moment<'_>, Fault> for Plan {
    fn fault_for(&self, moment: &Moment<'_>) -> Option<Fault> {
        self.0.decide(|when| match (when, moment) {
            (When::Append, Moment::BeforeAppend { .. })
            | (When::Appended, Moment::AfterAppend { .. })
            | (When::Fetch, Moment::OnFetch { .. })
            | (When::Commit, Moment::BeforeCommit { .. }) => true,
            (When::Request(key), Moment::BeforeRequest { api })
            | (When::Response(key), Moment::BeforeResponse { api }) => key == api,
            _ => false,
        })
    }
}
