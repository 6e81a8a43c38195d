//! `saslStart` and `saslContinue`

use convoy_server_kit::scram::Exchange;

use crate::bson::{Builder, Doc, Value};
use crate::command::arguments::Call;
use crate::command::client::{Client, Login};
use crate::command::shared::Shared;
use crate::error::{Code, CommandError};

/// The only mechanism that is offered.
pub const MECHANISM: &str = "SCRAM-SHA-256";

/// Number of a connection's only login.
const CONVERSATION: i32 = 1;

/// `saslStart`
pub fn sasl_start(
    shared: &Shared,
    client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    start(shared, client, call.body)
}

/// Begins a login, by its own command or within `hello`.
pub fn start(
    shared: &Shared,
    client: &mut Client,
    request: Doc<'_>,
) -> Result<Builder, CommandError> {
    client.login = None;
    match request.get("mechanism") {
        Some(Value::String(mechanism)) if mechanism == MECHANISM => {}
        mechanism => {
            let shown = mechanism.map(|value| value.to_string()).unwrap_or_default();
            return Err(CommandError::new(
                Code::MECHANISM_UNAVAILABLE,
                format!("Received authentication for mechanism {shown} which is not enabled"),
            ));
        }
    }
    let message = payload(request)?;
    let begun = Exchange::begin(&shared.credentials, &message);
    let (exchange, answer) = begun.map_err(|_why| authentication_failed())?;
    let skips_empty = request.get("options").is_some_and(|options| {
        let skip = options
            .as_document()
            .and_then(|options| options.get("skipEmptyExchange"));
        skip.is_some_and(|skip| skip.is_truthy())
    });
    client.login = Some(Login::Proof {
        exchange,
        skips_empty,
    });
    Ok(reply(&answer, false))
}

/// `saslContinue`
pub fn sasl_continue(
    _shared: &Shared,
    client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    let message = payload(call.body)?;
    match client.login.take() {
        None => Err(CommandError::new(
            Code::PROTOCOL_ERROR,
            "No SASL session state found",
        )),
        Some(Login::Proof {
            exchange,
            skips_empty,
        }) => {
            let finished = exchange.finish(&message);
            client.rejected = finished.is_err();
            let login = finished.map_err(|_why| authentication_failed())?;
            let (user, signature) = (login.user, login.answer);
            if skips_empty {
                client.user = Some(user);
            } else {
                client.login = Some(Login::Empty { user });
            }
            Ok(reply(&signature, skips_empty))
        }
        Some(Login::Empty { user }) => {
            client.user = Some(user);
            Ok(reply("", true))
        }
    }
}

/// `logout`
pub fn logout(
    _shared: &Shared,
    client: &mut Client,
    _call: &Call<'_>,
) -> Result<Builder, CommandError> {
    client.user = None;
    Ok(Builder::new())
}

fn payload(request: Doc<'_>) -> Result<Vec<u8>, CommandError> {
    match request.get("payload") {
        Some(Value::Binary { bytes, .. }) => Ok(bytes.into_owned()),
        Some(Value::String(text)) => Ok(text.as_bytes().to_vec()),
        _ => Err(CommandError::type_mismatch(
            "Wrong type for field: payload, expected binData",
        )),
    }
}

fn reply(payload: &str, done: bool) -> Builder {
    let payload = Value::Binary {
        subtype: 0,
        bytes: payload.as_bytes().to_vec().into(),
    };
    Builder::new()
        .int32("conversationId", CONVERSATION)
        .bool("done", done)
        .with("payload", &payload)
}

/// Returns MongoDB's error, which does not tell what was wrong.
fn authentication_failed() -> CommandError {
    CommandError::new(Code::AUTHENTICATION_FAILED, "Authentication failed.")
}
