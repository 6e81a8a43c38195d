//! `DescribeClientQuotas`: there are none.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_DescribeClientQuotas>
//! - KIP-546

use kafka_protocol::messages::DescribeClientQuotasResponse;

use crate::cluster::Cluster;
use crate::reply::{Error, Reply};
use crate::wire::{self, Reader};

#[derive(Debug, PartialEq, Eq)]
pub struct Request;

impl Request {
    pub fn decode(reader: &mut Reader<'_>, _version: i16) -> Result<Self, wire::Error> {
        let _components = reader.array(|reader| {
            reader.string()?;
            reader.i8()?;
            reader.nullable_string()?;
            reader.tags()
        })?;
        let _strict = reader.bool()?;
        reader.tags()?;
        Ok(Self)
    }
}

pub fn answer(_cluster: &Cluster, _request: &Request, reply: Reply<'_>) -> Result<(), Error> {
    let response = DescribeClientQuotasResponse::default()
        .with_error_message(None)
        .with_entries(Some(Vec::new()));
    reply.send(&response)
}
