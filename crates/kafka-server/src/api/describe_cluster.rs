//! `DescribeCluster`: the address of the only broker.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_DescribeCluster>
//! - KIP-919 (types of endpoints since version 1)

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::BrokerId;
use kafka_protocol::messages::describe_cluster_response::{
    DescribeClusterBroker, DescribeClusterResponse,
};

use crate::api::operations;
use crate::api::str_bytes::str_bytes;
use crate::cluster::{Cluster, NODE_ID};
use crate::reply::{Error, Reply};
use crate::wire::{self, Reader};

const BROKERS: i8 = 1;

#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// Brokers (1) or controllers (2).
    pub endpoint_type: i8,
    /// Whether to list what the client may do.
    pub authorized_operations: bool,
}

impl Request {
    pub fn decode(reader: &mut Reader<'_>, version: i16) -> Result<Self, wire::Error> {
        let authorized_operations = reader.bool()?;
        let endpoint_type = if version >= 1 { reader.i8()? } else { BROKERS };
        if version >= 2 {
            let _include_fenced_brokers = reader.bool()?;
        }
        reader.tags()?;
        Ok(Self {
            endpoint_type,
            authorized_operations,
        })
    }
}

pub fn answer(cluster: &Cluster, request: &Request, reply: Reply<'_>) -> Result<(), Error> {
    if request.endpoint_type != BROKERS {
        let response = DescribeClusterResponse::default()
            .with_error_code(ResponseError::MismatchedEndpointType.code())
            .with_error_message(Some(str_bytes("this is a broker, not a controller")));
        return reply.send(&response);
    }
    let (host, port) = cluster.advertised();
    let broker = DescribeClusterBroker::default()
        .with_broker_id(BrokerId(NODE_ID))
        .with_host(str_bytes(host))
        .with_port(port);
    let response = DescribeClusterResponse::default()
        .with_cluster_id(str_bytes(cluster.id()))
        .with_controller_id(BrokerId(NODE_ID))
        .with_error_message(None)
        .with_cluster_authorized_operations(if request.authorized_operations {
            operations::CLUSTER
        } else {
            operations::NOT_ASKED
        })
        .with_brokers(vec![broker]);
    reply.send(&response)
}
