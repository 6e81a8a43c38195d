//! `SaslHandshake`: the client chooses a SASL mechanism.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_SaslHandshake>
//! - KIP-43, KIP-152 (since version 1, tokens have request headers)

use kafka_protocol::messages::SaslHandshakeResponse;

use crate::api::str_bytes::str_bytes;
use crate::auth::Session;
use crate::reply::{Error, Reply};
use crate::wire::{self, Reader};

#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    pub mechanism: &'a str,
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, _version: i16) -> Result<Self, wire::Error> {
        Ok(Self {
            mechanism: reader.string()?,
        })
    }
}

/// Accepts the mechanism, or refuses it with the list of supported ones.
pub fn answer(session: &mut Session, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let bare_tokens = reply.version() == 0;
    let chosen = session.choose(request.mechanism, bare_tokens);
    let response = SaslHandshakeResponse::default()
        .with_error_code(chosen.err().map_or(0, |error| error.code()))
        .with_mechanisms(session.mechanisms().map(str_bytes).collect());
    reply.send(&response)
}
