//! `AddOffsetsToTxn`: permits a producer to commit offsets of a group with its transaction.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_AddOffsetsToTxn>

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::AddOffsetsToTxnResponse;

use crate::api::fencing;
use crate::cluster::Cluster;
use crate::reply::{Error, Reply};
use crate::transactions::Producer;
use crate::wire::{self, Reader};

const FENCED_SINCE: i16 = 2;

#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    pub transactional_id: &'a str,
    pub producer: Producer,
    pub group: &'a str,
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, _version: i16) -> Result<Self, wire::Error> {
        let transactional_id = reader.string()?;
        let producer = Producer::decode(reader)?;
        let group = reader.string()?;
        reader.tags()?;
        Ok(Self {
            transactional_id,
            producer,
            group,
        })
    }
}

pub fn answer(cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let Request {
        transactional_id,
        producer,
        group,
    } = *request;
    let added = if group.is_empty() {
        Err(ResponseError::InvalidGroupId)
    } else {
        let transactions = cluster.transactions();
        transactions.add_group(transactional_id, producer, group)
    };
    let version = reply.version();
    let code = added.err().map_or(0, |error| {
        fencing::known_since(error, FENCED_SINCE, version).code()
    });
    reply.send(&AddOffsetsToTxnResponse::default().with_error_code(code))
}
