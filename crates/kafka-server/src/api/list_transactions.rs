//! `ListTransactions`: all transactional ids, or those in some states or of some producers.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_ListTransactions>
//! - KIP-994 (a least duration since version 1)

use convoy_server_kit::unix_ms;
use kafka_protocol::messages::list_transactions_response::{
    ListTransactionsResponse, TransactionState,
};
use kafka_protocol::messages::{ProducerId, TransactionalId};

use crate::api::str_bytes::str_bytes;
use crate::cluster::Cluster;
use crate::reply::{Error, Reply};
use crate::transactions::{Header, State};
use crate::wire::{self, Reader};

#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Names of states; empty for all.
    pub states: Vec<&'a str>,
    /// Producer ids; empty for all.
    pub producers: Vec<i64>,
    /// Milliseconds since the start of the transaction; negative for all.
    pub least_duration_ms: i64,
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, version: i16) -> Result<Self, wire::Error> {
        let states = reader.array(Reader::string)?;
        let producers = reader.array(Reader::i64)?;
        let least_duration_ms = if version >= 1 { reader.i64()? } else { -1 };
        reader.tags()?;
        Ok(Self {
            states,
            producers,
            least_duration_ms,
        })
    }

    fn wants(&self, header: &Header, now: i64) -> bool {
        let state = self.states.is_empty() || self.states.contains(&header.state.name());
        let producer = self.producers.is_empty() || self.producers.contains(&header.producer.id);
        let duration = now.saturating_sub(header.started);
        let long = self.least_duration_ms < 0 || duration > self.least_duration_ms;
        state && producer && long
    }
}

pub fn answer(cluster: &Cluster, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let now = i64::try_from(unix_ms()).unwrap_or(i64::MAX);
    let listed = cluster.transactions().list().into_iter();
    let listed = listed.filter(|(_, header)| request.wants(header, now));
    let states = listed.map(|(id, header)| {
        TransactionState::default()
            .with_transactional_id(TransactionalId(str_bytes(&id)))
            .with_producer_id(ProducerId(header.producer.id))
            .with_transaction_state(str_bytes(header.state.name()))
    });
    let unknown = request.states.iter().filter(|name| {
        let known = |state: &State| state.name() == **name;
        !State::ALL.iter().any(known)
    });
    let response = ListTransactionsResponse::default()
        .with_unknown_state_filters(unknown.map(|name| str_bytes(name)).collect())
        .with_transaction_states(states.collect());
    reply.send(&response)
}
