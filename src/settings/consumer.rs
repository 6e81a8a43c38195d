//! The consumer of `convoy simulate`: convoy's own, or another program.

use std::time::Duration;

use convoy_server_kit::redact_uri;
use serde::{Serialize, Serializer};

use crate::settings::serialize::seconds;
use crate::settings::tools::Published;
use crate::string_enum::string_enum;

string_enum! {
    /// Program that stores the records.
    ConsumerKind {
        /// convoy itself.
        Convoy = "convoy",
        /// Another program, whose collection is audited.
        External = "external",
    }
}

/// The consumer of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConsumerSettings {
    pub consumer: ConsumerKind,
    /// Command that runs an external consumer; `None` waits for one.
    #[serde(rename = "consumer_command", serialize_with = "redacted")]
    pub command: Option<String>,
    /// An external consumer is done after no new document has arrived for this long.
    #[serde(rename = "settle_s", serialize_with = "seconds")]
    pub settle: Duration,
    /// Whether readings have their identity in the payload.
    pub payload_identity: bool,
    /// Files that tell an external consumer of the servers.
    #[serde(skip)]
    pub published: Published,
}

impl ConsumerSettings {
    /// Returns whether another program stores the records.
    pub fn is_external(&self) -> bool {
        self.consumer == ConsumerKind::External
    }

    /// Returns the command without secrets.
    pub fn shown_command(&self) -> Option<String> {
        self.command.as_deref().map(without_secrets)
    }
}

#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
fn redacted<S: Serializer>(command: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    command
        .as_deref()
        .map(without_secrets)
        .serialize(serializer)
}

fn without_secrets(command: &str) -> String {
    let words: Vec<String> = command.split(' ').map(redact_uri).collect();
    words.join(" ")
}
