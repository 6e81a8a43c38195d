//! `EndTxn`: commits or aborts a transaction.
//!
//! The response follows when all markers are written and the offsets of groups are committed.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_EndTxn>

use kafka_protocol::messages::EndTxnResponse;

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
    /// Whether to commit; else the transaction aborts.
    pub commits: bool,
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, _version: i16) -> Result<Self, wire::Error> {
        let transactional_id = reader.string()?;
        let producer = Producer::decode(reader)?;
        let commits = reader.bool()?;
        reader.tags()?;
        Ok(Self {
            transactional_id,
            producer,
            commits,
        })
    }
}

pub fn answer(cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let Request {
        transactional_id,
        producer,
        commits,
    } = *request;
    let transactions = cluster.transactions();
    let ended = transactions.end(cluster, transactional_id, producer, commits);
    let version = reply.version();
    let code = ended.err().map_or(0, |error| {
        fencing::known_since(error, FENCED_SINCE, version).code()
    });
    reply.send(&EndTxnResponse::default().with_error_code(code))
}
