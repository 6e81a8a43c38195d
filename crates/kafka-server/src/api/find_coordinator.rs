//! `FindCoordinator`: the only broker coordinates all groups and transactions.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_FindCoordinator>
//! - KIP-699 (several keys since version 4)

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::BrokerId;
use kafka_protocol::messages::find_coordinator_response::{Coordinator, FindCoordinatorResponse};

use crate::api::str_bytes::str_bytes;
use crate::cluster::{Cluster, NODE_ID};
use crate::reply::{Error, Reply};
use crate::wire::{self, Reader};

pub const SEVERAL_KEYS_SINCE: i16 = 4;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    pub keys: Vec<&'a str>,
    /// Groups (0) or transactional ids (1).
    pub key_type: i8,
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, version: i16) -> Result<Self, wire::Error> {
        let mut keys = Vec::new();
        if version < SEVERAL_KEYS_SINCE {
            keys.push(reader.string()?);
        }
        let key_type = if version >= 1 { reader.i8()? } else { GROUP };
        if version >= SEVERAL_KEYS_SINCE {
            keys = reader.array(Reader::string)?;
        }
        reader.tags()?;
        Ok(Self { keys, key_type })
    }
}

pub fn answer(cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let version = reply.version();
    let refusal = match request.key_type {
        GROUP | TRANSACTION => None,
        _ => Some((ResponseError::InvalidRequest, "unknown coordinator type")),
    };
    let (host, port) = cluster.advertised();
    if version >= SEVERAL_KEYS_SINCE {
        let coordinator = |key: &&str| {
            let coordinator = Coordinator::default().with_key(str_bytes(key));
            match refusal {
                None => coordinator
                    .with_node_id(BrokerId(NODE_ID))
                    .with_host(str_bytes(host))
                    .with_port(port),
                Some((error, message)) => coordinator
                    .with_node_id(BrokerId(-1))
                    .with_port(-1)
                    .with_error_code(error.code())
                    .with_error_message(Some(str_bytes(message))),
            }
        };
        let coordinators = request.keys.iter().map(coordinator).collect();
        return reply.send(&FindCoordinatorResponse::default().with_coordinators(coordinators));
    }
    let response = match refusal {
        None => FindCoordinatorResponse::default()
            .with_node_id(BrokerId(NODE_ID))
            .with_host(str_bytes(host))
            .with_port(port),
        Some((error, message)) => FindCoordinatorResponse::default()
            .with_node_id(BrokerId(-1))
            .with_port(-1)
            .with_error_code(error.code())
            .with_error_message(Some(str_bytes(message))),
    };
    reply.send(&response)
}
