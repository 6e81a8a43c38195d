//! `SaslAuthenticate`: one token of the chosen mechanism.
//!
//! # References
//!
//! - <https://kafka.apache.org/protocol#The_Messages_SaslAuthenticate>

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::SaslAuthenticateResponse;

use crate::api::next::Next;
use crate::api::str_bytes::str_bytes;
use crate::auth::{Credentials, Session};
use crate::reply::{Error, Reply};
use crate::wire::{self, Reader};

#[derive(Debug, PartialEq, Eq)]
pub struct Request<'a> {
    pub token: &'a [u8],
}

impl<'a> Request<'a> {
    pub fn decode(reader: &mut Reader<'a>, _version: i16) -> Result<Self, wire::Error> {
        let token = reader.bytes()?;
        reader.tags()?;
        Ok(Self { token })
    }
}

/// Answers the token; after a failed login the connection is closed.
pub fn answer(
    session: &mut Session,
    credentials: &Credentials,
    request: &Request<'_>,
    reply: Reply<'_>,
) -> Result<Next, Error> {
    match session.step(request.token, credentials) {
        Ok(token) => {
            let response = SaslAuthenticateResponse::default().with_auth_bytes(Bytes::from(token));
            reply.send(&response)?;
            Ok(Next::KeepOpen)
        }
        Err(error) => {
            let response = SaslAuthenticateResponse::default()
                .with_error_code(ResponseError::SaslAuthenticationFailed.code())
                .with_error_message(Some(str_bytes(&error.to_string())));
            reply.send(&response)?;
            Ok(Next::Close)
        }
    }
}
