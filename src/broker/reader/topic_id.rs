//! The id of a topic: a topic that is deleted and created again gets another one.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

/// The id of a topic, in the form that Kafka's tools show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TopicId(Uuid);

/// A text is not the id of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the id of a topic")]
pub struct NotATopicId;

impl TopicId {
    /// Returns the UUID.
    pub fn uuid(self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for TopicId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&URL_SAFE_NO_PAD.encode(self.0.as_bytes()))
    }
}

impl FromStr for TopicId {
    type Err = NotATopicId;

    fn from_str(text: &str) -> Result<Self, NotATopicId> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| NotATopicId)?;
        Uuid::from_slice(&bytes).map(Self).map_err(|_| NotATopicId)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn shown_id_is_read(bits: u128) {
            let id = TopicId::from(Uuid::from_u128(bits));
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }

        #[test]
        fn any_text_is_an_id_or_not(text: String) {
            let _id = text.parse::<TopicId>();
        }
    }
}
