//! `DescribeTransactions`: the states of transactional ids.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_DescribeTransactions>

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::describe_transactions_response::{
    DescribeTransactionsResponse, TopicData, TransactionState,
};
use kafka_protocol::messages::{ProducerId, TopicName, TransactionalId};

use crate::api::str_bytes::str_bytes;
use crate::cluster::Cluster;
use crate::reply::{Error, Reply};
use crate::transactions::Transaction;
use crate::wire::{self, Reader};

#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    pub ids: Vec<&'a str>,
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, _version: i16) -> Result<Self, wire::Error> {
        let ids = reader.array(Reader::string)?;
        reader.tags()?;
        Ok(Self { ids })
    }
}

pub fn answer(cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let states = request.ids.iter().map(|id| {
        let state = match cluster.transactions().describe(id) {
            Some(transaction) => describe(&transaction),
            None => TransactionState::default()
                .with_error_code(ResponseError::TransactionalIdNotFound.code()),
        };
        state.with_transactional_id(TransactionalId(str_bytes(id)))
    });
    let response = DescribeTransactionsResponse::default();
    reply.send(&response.with_transaction_states(states.collect()))
}

fn describe(transaction: &Transaction) -> TransactionState {
    let header = &transaction.header;
    let partitions = transaction.partitions.iter();
    let open = partitions.filter(|_| header.state.is_open());
    let topics = open.map(|(topic, indexes)| {
        TopicData::default()
            .with_topic(TopicName(str_bytes(topic)))
            .with_partitions(indexes.iter().copied().collect())
    });
    TransactionState::default()
        .with_transaction_state(str_bytes(header.state.name()))
        .with_transaction_timeout_ms(header.timeout_ms)
        .with_transaction_start_time_ms(header.started)
        .with_producer_id(ProducerId(header.producer.id))
        .with_producer_epoch(header.producer.epoch)
        .with_topics(topics.collect())
}
