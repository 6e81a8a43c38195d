//! `saslStart` and `saslContinue`

use crate::auth::Conversation;
use crate::auth::scram::Refused;
use crate::bson::{Builder, Doc, Value};
use crate::command::arguments::Call;
use crate::command::client::{Client, Progress};
use crate::command::shared::Shared;
use crate::error::{Code, CommandError};

/// The only mechanism.
pub const MECHANISM: &str = "SCRAM-SHA-256";

/// The number of a connection's only conversation.
const CONVERSATION: i32 = 1;

/// `saslStart`
pub fn sasl_start(
    shared: &Shared,
    client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    start(shared, client, call.body)
}

/// Starts a conversation, from its own command or from within a greeting.
pub fn start(
    shared: &Shared,
    client: &mut Client,
    request: Doc<'_>,
) -> Result<Builder, CommandError> {
    client.conversation = None;
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
    let find = |name: &str| shared.users.credential(name);
    let (conversation, answer) = Conversation::start(&message, find).map_err(refused)?;
    let skips_empty = request.get("options").is_some_and(|options| {
        let skip = options
            .as_document()
            .and_then(|options| options.get("skipEmptyExchange"));
        skip.is_some_and(|skip| skip.is_truthy())
    });
    client.conversation = Some(Progress::Proof {
        conversation,
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
    match client.conversation.take() {
        None => Err(CommandError::new(
            Code::PROTOCOL_ERROR,
            "No SASL session state found",
        )),
        Some(Progress::Proof {
            conversation,
            skips_empty,
        }) => {
            let (user, signature) = conversation.finish(&message).map_err(refused)?;
            if skips_empty {
                client.user = Some(user);
            } else {
                client.conversation = Some(Progress::Farewell { user });
            }
            Ok(reply(&signature, skips_empty))
        }
        Some(Progress::Farewell { user }) => {
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

fn refused(refused: Refused) -> CommandError {
    CommandError::new(Code::AUTHENTICATION_FAILED, refused.to_string())
}
