//! Resume tokens: a point of the oplog as text that clients keep.

use crate::bson::{Builder, Doc, Value};
use crate::error::{Code, CommandError};

/// First digits of every token.
const PREFIX: &str = "82";

/// What a token stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// Every change up to a timestamp.
    Mark = 0,
    /// An event.
    Event = 1,
    /// The event that ends a stream.
    Invalidate = 2,
}

/// A point of the oplog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    pub stamp: u64,
    pub kind: TokenKind,
}

impl Token {
    /// Returns the document that clients get.
    pub fn document(self) -> Vec<u8> {
        let text = format!("{PREFIX}{:016X}{:02X}", self.stamp, self.kind as u8);
        Builder::new().string("_data", &text).finish()
    }

    /// Reads a document that a client kept.
    pub fn parse(document: Doc<'_>) -> Result<Self, CommandError> {
        let Some(Value::String(text)) = document.get("_data") else {
            let message = "Bad resume token: _data of missing or of wrong type";
            return Err(CommandError::location(40_647, message));
        };
        Self::read(&text).ok_or_else(|| {
            let message = "Bad resume token: it is not from this server";
            CommandError::new(Code::INVALID_RESUME_TOKEN, message)
        })
    }

    fn read(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PREFIX)?;
        let (stamp, kind) = digits.split_at_checked(16)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let kind = match kind {
            "00" => TokenKind::Mark,
            "01" => TokenKind::Event,
            "02" => TokenKind::Invalidate,
            _ => return None,
        };
        let stamp = u64::from_str_radix(stamp, 16).ok()?;
        Some(Self { stamp, kind })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn tokens_are_read_as_they_were_written(stamp in any::<u64>(), kind in 0_u8..3) {
            let kind = match kind {
                0 => TokenKind::Mark,
                1 => TokenKind::Event,
                _ => TokenKind::Invalidate,
            };
            let token = Token { stamp, kind };
            let document = token.document();
            prop_assert_eq!(Token::parse(Doc::new(&document)), Ok(token));
        }

        #[test]
        fn other_text_is_an_error(text in "(82)?[0-9A-Fx]{0,20}") {
            let document = Builder::new().string("_data", &text).finish();
            if let Ok(token) = Token::parse(Doc::new(&document)) {
                prop_assert_eq!(token.document(), document);
            }
        }
    }
}
