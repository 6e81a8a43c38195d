//! `InitProducerId`: an id for an idempotent producer; transactional producers are refused.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_InitProducerId>

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{InitProducerIdResponse, ProducerId};

use crate::cluster::Cluster;
use crate::reply::{Error, Reply};
use crate::wire::{self, Reader};

#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Set by transactional producers.
    pub transactional_id: Option<&'a str>,
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, version: i16) -> Result<Self, wire::Error> {
        let transactional_id = reader.nullable_string()?;
        let _transaction_timeout_ms = reader.i32()?;
        if version >= 3 {
            let _producer_id = reader.i64()?;
            let _producer_epoch = reader.i16()?;
        }
        reader.tags()?;
        Ok(Self { transactional_id })
    }
}

pub fn answer(cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let id = if request.transactional_id.is_some() {
        // Every client treats this code as final.
        Err(ResponseError::TransactionalIdAuthorizationFailed)
    } else {
        cluster.next_producer_id()
    };
    let response = match id {
        Ok(id) => InitProducerIdResponse::default()
            .with_producer_id(ProducerId(id))
            .with_producer_epoch(0),
        Err(error) => InitProducerIdResponse::default()
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1)
            .with_error_code(error.code()),
    };
    reply.send(&response)
}
