//! The supported APIs: one file per API, with the decoder of its request and the answer.
//!
//! ```text
//!  frame ─▶ dispatch (header, version, access) ─▶ <api>::Request::decode ─▶ <api>::answer ─▶ Reply
//! ```
//!
//! Requests are decoded by [`Reader`](crate::wire::Reader), which is bounded for any input.
//! Responses are encoded by `kafka-protocol`, except that of Fetch, which copies records only once.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#protocol_messages>

mod acls;
mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod alter_configs;
mod alteration;
mod api_versions;
mod client;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_client_quotas;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_quorum;
mod describe_topic_partitions;
mod describe_transactions;
mod describe_user_scram_credentials;
mod dispatch;
mod elect_leaders;
mod end_txn;
mod error;
mod fencing;
mod fetch;
mod fetch_response;
mod find_coordinator;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod injected;
mod join_group;
mod leave_group;
mod list_groups;
mod list_offsets;
mod list_partition_reassignments;
mod list_transactions;
mod metadata;
mod next;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod operations;
mod produce;
mod refusal;
mod resource;
mod sasl_authenticate;
mod sasl_handshake;
mod str_bytes;
mod supported;
mod sync_group;
#[cfg(test)]
mod tests;
mod topic_partitions;
mod txn_offset_commit;
mod write_txn_markers;

pub use client::Client;
pub use dispatch::answer;
pub use error::Error;
pub use next::Next;
