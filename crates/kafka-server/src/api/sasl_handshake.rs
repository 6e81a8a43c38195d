//! `SaslHandshake`: the client chooses how to authenticate.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_SaslHandshake>
//! - KIP-43, KIP-152 (tokens in requests of their own since version 1)

use kafka_protocol::messages::SaslHandshakeResponse;

use crate::api::str_bytes::str_bytes;
use crate::auth::Session;
use crate::reply::{Error, Reply};
use crate::wire::{self, Reader};

/// The choice.
#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Name of the mechanism.
    pub mechanism: &'a str,
}

impl<'a> Request<'a> {
    /// Decodes the body.
    pub fn decode(reader: &mut Reader<'a>, _version: i16) -> Result<Self, wire::Error> {
        Ok(Self {
            mechanism: reader.string()?,
        })
    }
}

/// Notes the choice, or tells what there is to choose from.
pub fn answer(session: &mut Session, request: &Request<'_>, reply: Reply<'_>) -> Result<(), Error> {
    let bare_tokens = reply.version() == 0;
    let chosen = session.choose(request.mechanism, bare_tokens);
    let response = SaslHandshakeResponse::default()
        .with_error_code(chosen.err().map_or(0, |error| error.code()))
        .with_mechanisms(session.mechanisms().map(str_bytes).collect());
    reply.send(&response)
}
