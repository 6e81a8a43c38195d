//! Responses with an injected error, for requests that have one error code for everything.

use kafka_protocol::messages::find_coordinator_response::{Coordinator, FindCoordinatorResponse};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponse, OffsetFetchResponseGroup,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnResponse, ApiKey, BrokerId, EndTxnResponse, GroupId, HeartbeatResponse,
    InitProducerIdResponse, JoinGroupResponse, LeaveGroupResponse, ProducerId, SyncGroupResponse,
};

use crate::api::str_bytes::str_bytes;
use crate::api::{find_coordinator, offset_fetch};
use crate::reply::{Error, Reply};
use crate::wire::{self, Reader};

/// Returns whether [`answer`] has a response to these requests.
pub const fn is_known(api: ApiKey) -> bool {
    matches!(
        api,
        ApiKey::OffsetFetch
            | ApiKey::FindCoordinator
            | ApiKey::JoinGroup
            | ApiKey::Heartbeat
            | ApiKey::LeaveGroup
            | ApiKey::SyncGroup
            | ApiKey::InitProducerId
            | ApiKey::AddOffsetsToTxn
            | ApiKey::EndTxn
    )
}

/// What a response repeats of its request.
#[derive(Debug, Default)]
pub struct Asked<'a> {
    keys: Vec<&'a str>,
}

impl<'a> Asked<'a> {
    /// Reads the names for which a response has an error code each.
    pub fn decode(reader: &mut Reader<'a>, api: ApiKey, version: i16) -> Result<Self, wire::Error> {
        let keys = match api {
            ApiKey::FindCoordinator => find_coordinator::Request::decode(reader, version)?.keys,
            ApiKey::OffsetFetch => {
                let groups = offset_fetch::Request::decode(reader, version)?.groups;
                groups.into_iter().map(|wanted| wanted.group).collect()
            }
            _ => Vec::new(),
        };
        Ok(Self { keys })
    }
}

/// Responds with an error code to a request that [`is_known`].
pub fn answer(api: ApiKey, asked: &Asked<'_>, code: i16, reply: Reply<'_>) -> Result<(), Error> {
    let version = reply.version();
    match api {
        ApiKey::FindCoordinator => reply.send(&coordinators(&asked.keys, code, version)),
        ApiKey::OffsetFetch => reply.send(&offsets(&asked.keys, code, version)),
        ApiKey::JoinGroup => reply.send(
            &JoinGroupResponse::default()
                .with_error_code(code)
                .with_generation_id(-1)
                .with_protocol_name((version < 7).then(|| str_bytes(""))),
        ),
        ApiKey::Heartbeat => reply.send(&HeartbeatResponse::default().with_error_code(code)),
        ApiKey::LeaveGroup => reply.send(&LeaveGroupResponse::default().with_error_code(code)),
        ApiKey::SyncGroup => reply.send(&SyncGroupResponse::default().with_error_code(code)),
        ApiKey::InitProducerId => reply.send(
            &InitProducerIdResponse::default()
                .with_producer_id(ProducerId(-1))
                .with_producer_epoch(-1)
                .with_error_code(code),
        ),
        ApiKey::AddOffsetsToTxn => {
            reply.send(&AddOffsetsToTxnResponse::default().with_error_code(code))
        }
        ApiKey::EndTxn => reply.send(&EndTxnResponse::default().with_error_code(code)),
        _ => Ok(()),
    }
}

fn coordinators(keys: &[&str], code: i16, version: i16) -> FindCoordinatorResponse {
    let response = FindCoordinatorResponse::default();
    if version < find_coordinator::SEVERAL_KEYS_SINCE {
        return response
            .with_error_code(code)
            .with_node_id(BrokerId(-1))
            .with_port(-1);
    }
    let refused = keys.iter().map(|key| {
        Coordinator::default()
            .with_key(str_bytes(key))
            .with_node_id(BrokerId(-1))
            .with_port(-1)
            .with_error_code(code)
    });
    response.with_coordinators(refused.collect())
}

fn offsets(groups: &[&str], code: i16, version: i16) -> OffsetFetchResponse {
    let response = OffsetFetchResponse::default();
    if version < offset_fetch::SEVERAL_GROUPS_SINCE {
        return response.with_error_code(code);
    }
    let refused = groups.iter().map(|group| {
        OffsetFetchResponseGroup::default()
            .with_group_id(GroupId(str_bytes(group)))
            .with_error_code(code)
    });
    response.with_groups(refused.collect())
}
