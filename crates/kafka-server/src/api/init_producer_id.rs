//! `InitProducerId`: an id and an epoch for an idempotent or a transactional producer.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_InitProducerId>
//! - KIP-360 (a producer raises its own epoch since version 3)

use kafka_protocol::messages::{InitProducerIdResponse, ProducerId};

use crate::api::fencing;
use crate::cluster::Cluster;
use crate::reply::{Error, Reply};
use crate::transactions::Producer;
use crate::wire::{self, Reader};

const PRODUCER_SINCE: i16 = 3;
const FENCED_SINCE: i16 = 4;

#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Set by transactional producers.
    pub transactional_id: Option<&'a str>,
    pub timeout_ms: i32,
    /// Set by a producer that raises its epoch.
    pub expected: Option<Producer>,
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, version: i16) -> Result<Self, wire::Error> {
        let transactional_id = reader.nullable_string()?;
        let timeout_ms = reader.i32()?;
        let expected = if version >= PRODUCER_SINCE {
            let producer = Producer::decode(reader)?;
            Some(producer).filter(|producer| producer.id >= 0)
        } else {
            None
        };
        reader.tags()?;
        Ok(Self {
            transactional_id,
            timeout_ms,
            expected,
        })
    }
}

pub fn answer(cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let version = reply.version();
    let producer = if let Some(id) = request.transactional_id {
        let transactions = cluster.transactions();
        transactions.init(cluster, id, request.timeout_ms, request.expected)
    } else {
        let id = cluster.next_producer_id();
        id.map(|id| Producer { id, epoch: 0 })
    };
    let response = match producer {
        Ok(producer) => InitProducerIdResponse::default()
            .with_producer_id(ProducerId(producer.id))
            .with_producer_epoch(producer.epoch),
        Err(error) => InitProducerIdResponse::default()
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1)
            .with_error_code(fencing::known_since(error, FENCED_SINCE, version).code()),
    };
    reply.send(&response)
}
