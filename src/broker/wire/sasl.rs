//! Authentication of a connection by SASL: PLAIN and SCRAM.
//!
//! # References
//!
//! RFC 4616 (PLAIN), RFC 5802 (SCRAM), KIP-152 (`SaslAuthenticate`), KIP-368 (session lifetime)

use std::ops::RangeInclusive;
use std::time::Duration;

use convoy_server_kit::scram::{ClientExchange, Hash};
use kafka_protocol::messages::{SaslAuthenticateRequest, SaslHandshakeRequest};
use kafka_protocol::protocol::StrBytes;

use crate::broker::spec::{Login, Mechanism};
use crate::broker::wire::code::ErrorCode;
use crate::broker::wire::connection::Connection;
use crate::broker::wire::error::{Error, Reason};
use crate::broker::wire::transport::Deadline;

const HANDSHAKE: RangeInclusive<i16> = 1..=1;
const AUTHENTICATE: RangeInclusive<i16> = 0..=2;

/// A response to a token.
struct Answer {
    token: Vec<u8>,
    /// How long the session lasts; `None` has no end.
    lifetime: Option<Duration>,
}

/// Authenticates a connection; returns how long the session lasts, if it ends.
pub async fn authenticate(
    connection: &mut Connection,
    login: &Login,
    deadline: Deadline,
) -> Result<Option<Duration>, Error> {
    choose(connection, login.mechanism, deadline).await?;
    let hash = match login.mechanism {
        Mechanism::Plain => {
            let token = format!("\0{}\0{}", login.user, login.password.reveal());
            let answer = exchange(connection, token, deadline).await?;
            return Ok(answer.lifetime);
        }
        Mechanism::ScramSha256 => Hash::Sha256,
        Mechanism::ScramSha512 => Hash::Sha512,
    };
    let (client, first) = ClientExchange::begin(hash, &login.user, &login.password);
    let challenge = exchange(connection, first, deadline).await?;
    let proved = client.prove(&challenge.token);
    let (proof, last) = proved.map_err(|error| connection.failed(Reason::Scram(error)))?;
    let answer = exchange(connection, last, deadline).await?;
    let verified = proof.verify(&answer.token);
    verified.map_err(|error| connection.failed(Reason::Scram(error)))?;
    Ok(answer.lifetime)
}

async fn choose(
    connection: &mut Connection,
    mechanism: Mechanism,
    deadline: Deadline,
) -> Result<(), Error> {
    let name = match mechanism {
        Mechanism::Plain => "PLAIN",
        Mechanism::ScramSha256 => "SCRAM-SHA-256",
        Mechanism::ScramSha512 => "SCRAM-SHA-512",
    };
    let handshake =
        |_version| SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(name));
    let (code, offered) = connection
        .call_until(HANDSHAKE, handshake, deadline, |response| {
            let mut reader = response.reader();
            let code = reader.i16()?;
            let offered = reader.array(|reader| reader.string().map(str::to_owned))?;
            Ok((code, offered.join(", ")))
        })
        .await?;
    ErrorCode::check(code).map_err(|code| {
        let message = format!("the broker does not have {name}, only {offered}");
        let message = (!offered.is_empty()).then_some(message);
        connection.refused(code, message.as_deref())
    })
}

async fn exchange(
    connection: &mut Connection,
    token: String,
    deadline: Deadline,
) -> Result<Answer, Error> {
    let request = |_version| SaslAuthenticateRequest::default().with_auth_bytes(token.into());
    let (code, message, answer) = connection
        .call_until(AUTHENTICATE, request, deadline, |response| {
            let mut reader = response.reader();
            let code = reader.i16()?;
            let message = reader.nullable_string()?.map(str::to_owned);
            let token = reader.bytes()?.to_vec();
            let lifetime = match response.version {
                0 => 0,
                _ => reader.i64()?,
            };
            let lifetime = u64::try_from(lifetime).ok().filter(|it| *it > 0);
            let lifetime = lifetime.map(Duration::from_millis);
            Ok((code, message, Answer { token, lifetime }))
        })
        .await?;
    ErrorCode::check(code).map_err(|code| connection.refused(code, message.as_deref()))?;
    Ok(answer)
}
