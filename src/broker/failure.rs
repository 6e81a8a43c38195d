//! What the Kafka client's errors mean: their kind, and their innermost cause.

use rskafka::client::error::{Error as ClientError, ProtocolError};

use crate::cause::{Cause, Trouble};

/// Words of rskafka around the innermost cause. Most of its errors have no source, only a text.
const LAYERS: [&str; 16] = [
    "Connection error: ",
    "All retries failed: ",
    "all retries failed: ",
    "Retry exceeded deadline. Source: ",
    "Multiple errors occured: ",
    "error getting cluster metadata: ",
    "cannot sync versions: ",
    "Request error: ",
    "Sasl handshake failed: ",
    "API error: ",
    "Sasl session error: ",
    "Connection is poisoned: ",
    "Cannot read framed message: ",
    "Cannot read data: ",
    "Cannot read/write data: ",
    "IO Error: ",
];

/// Converts an error of rskafka.
pub fn cause(error: &ClientError) -> Cause {
    if let Some((code, message)) = refusal(error) {
        let text = match message {
            Some(message) => format!("{message} ({code:?})"),
            None => format!("the broker responded {code:?}"),
        };
        return Cause::new(&text, trouble_of_code(code));
    }
    let text = innermost(&error.to_string());
    let trouble = trouble_of_text(&text);
    Cause::new(&text, trouble)
}

/// Returns the code and the message of a request that the broker refused.
fn refusal(error: &ClientError) -> Option<(ProtocolError, Option<&str>)> {
    match error {
        ClientError::ServerError {
            protocol_error,
            error_message,
            ..
        } => {
            let message = error_message.as_deref();
            Some((*protocol_error, message.filter(|text| !text.is_empty())))
        }
        ClientError::RetryFailed(retries) => std::error::Error::source(retries)
            .and_then(|source| source.downcast_ref::<ClientError>())
            .and_then(refusal),
        _ => None,
    }
}

/// Returns a text of rskafka without the layers around its innermost cause.
fn innermost(text: &str) -> String {
    let mut text = text.to_owned();
    for layer in LAYERS {
        text = text.replace(layer, "");
    }
    // `error connecting to broker "host:9092": cause`
    text.replace("error connecting to broker \"", "`")
        .replace("\": ", "`: ")
}

fn trouble_of_code(code: ProtocolError) -> Option<Trouble> {
    Some(match code {
        ProtocolError::InvalidReplicationFactor => Trouble::Replication,
        ProtocolError::InvalidPartitions => Trouble::Partitions,
        ProtocolError::InvalidTopicException => Trouble::TopicName,
        ProtocolError::PolicyViolation => Trouble::Policy,
        ProtocolError::TopicAuthorizationFailed
        | ProtocolError::GroupAuthorizationFailed
        | ProtocolError::ClusterAuthorizationFailed => Trouble::Forbidden,
        ProtocolError::UnsupportedSaslMechanism => Trouble::Mechanism,
        ProtocolError::SaslAuthenticationFailed => Trouble::Credentials,
        ProtocolError::IllegalSaslState => Trouble::AuthenticationMissing,
        ProtocolError::UnsupportedVersion => Trouble::Version,
        ProtocolError::UnknownTopicOrPartition => Trouble::UnknownTopic,
        ProtocolError::TopicAlreadyExists => Trouble::ExistingTopic,
        ProtocolError::RequestTimedOut => Trouble::Silent,
        _ => return None,
    })
}

/// Returns the kind of a failure before the broker could name it by a code.
fn trouble_of_text(text: &str) -> Option<Trouble> {
    let known: &[(&[&str], Trouble)] = &[
        (&["SaslAuthenticationFailed"], Trouble::Credentials),
        (
            &["UnsupportedSaslMechanism", "unsupported sasl mechanism"],
            Trouble::Mechanism,
        ),
        (&["IllegalSaslState"], Trouble::AuthenticationMissing),
        (
            &[
                "Cannot find matching version",
                "Did not found a version",
                "UnsupportedVersion",
            ],
            Trouble::Version,
        ),
        (
            &[
                "Message too large",
                "Negative message size",
                "Data left at the end",
            ],
            Trouble::OtherProtocol,
        ),
    ];
    let found = known
        .iter()
        .find(|(words, _)| words.iter().any(|word| text.contains(word)));
    found
        .map(|(_, trouble)| *trouble)
        .or_else(|| Trouble::of_transport(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn innermost_cause_names_the_address() {
        let texts = [
            (
                "Connection error: all retries failed: Retry exceeded deadline. Source: error \
                 connecting to broker \"127.0.0.1:1\": IO Error: Connection refused (os error 111)",
                "`127.0.0.1:1`: Connection refused (os error 111)",
                Trouble::Refused,
            ),
            (
                "Connection error: all retries failed: Retry exceeded deadline. Source: Connection \
                 is poisoned: Cannot read framed message: Cannot read data: early eof",
                "early eof",
                Trouble::Closed,
            ),
            (
                "Request error: Cannot read framed message: Message too large, limit is 104857600 \
                 bytes but got 352518912 bytes",
                "Message too large, limit is 104857600 bytes but got 352518912 bytes",
                Trouble::OtherProtocol,
            ),
            (
                "Connection error: all retries failed: Retry exceeded deadline. Source: Sasl \
                 handshake failed: API error: SaslAuthenticationFailed",
                "SaslAuthenticationFailed",
                Trouble::Credentials,
            ),
        ];
        for (text, expected, trouble) in texts {
            assert_eq!(innermost(text), expected);
            assert_eq!(trouble_of_text(expected), Some(trouble), "{expected}");
        }
    }

    #[test]
    fn several_brokers_keep_their_own_causes() {
        let text = "Multiple errors occured: error connecting to broker \"a:1\": IO Error: Connection \
            refused, error connecting to broker \"b:2\": IO Error: timed out";
        assert_eq!(
            innermost(text),
            "`a:1`: Connection refused, `b:2`: timed out"
        );
    }
}
