//! `ListPartitionReassignments`: none, because there is one broker.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_ListPartitionReassignments>

use kafka_protocol::messages::ListPartitionReassignmentsResponse;

use crate::cluster::Cluster;
use crate::reply::{Error, Reply};
use crate::wire::{self, Reader};

#[derive(Debug, PartialEq, Eq)]
pub struct Request;

impl Request {
    pub fn decode(reader: &mut Reader<'_>, _version: i16) -> Result<Self, wire::Error> {
        let _timeout_ms = reader.i32()?;
        let _topics = reader.nullable_array(|reader| {
            reader.string()?;
            reader.array(Reader::i32)?;
            reader.tags()
        })?;
        reader.tags()?;
        Ok(Self)
    }
}

pub fn answer(_cluster: &Cluster, _request: &Request, reply: Reply<'_>) -> Result<(), Error> {
    reply.send(&ListPartitionReassignmentsResponse::default().with_error_message(None))
}
