//! `Heartbeat`: extends the session of a member, and reports a rebalance to it.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_Heartbeat>

use kafka_protocol::messages::HeartbeatResponse;

use crate::cluster::Cluster;
use crate::group::Identity;
use crate::reply::{Error, Reply};
use crate::wire::{self, Reader};

#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    pub group: &'a str,
    pub generation: i32,
    pub identity: Identity<'a>,
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, version: i16) -> Result<Self, wire::Error> {
        let group = reader.string()?;
        let generation = reader.i32()?;
        let member = reader.string()?;
        let instance = if version >= 3 {
            reader.nullable_string()?
        } else {
            None
        };
        reader.tags()?;
        Ok(Self {
            group,
            generation,
            identity: Identity { member, instance },
        })
    }
}

pub fn answer(cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let groups = cluster.groups();
    let heard = groups.heartbeat(request.group, request.identity, request.generation);
    let code = heard.err().map_or(0, |error| error.code());
    reply.send(&HeartbeatResponse::default().with_error_code(code))
}
