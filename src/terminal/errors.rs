//! Rendering of errors: the error, its causes, and a hint.
//!
//! ```text
//! error: failed to start the broker
//!   caused by: failed to listen on `127.0.0.1:9092`
//!   caused by: Address already in use (os error 98)
//!
//! hint: the port is in use: stop the other server, or choose another port (0 takes a free one)
//! ```

use std::error::Error;
use std::fmt::Write as _;

use crate::text::{Ink, Page};

/// Returns an error with its causes and a hint, without a final newline.
pub fn render(error: &dyn Error, hint: Option<&str>, page: &Page) -> String {
    let mut text = format!("{} {error}", page.paint(Ink::Bad, "error:"));
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, "\n  caused by: {}", error.to_string().trim_end());
        cause = error.source();
    }
    if let Some(hint) = hint {
        let _ = write!(text, "\n\n{} {hint}", page.paint(Ink::Hint, "hint:"));
    }
    let mut text = page.paragraphs(&text, 2);
    text.truncate(text.trim_end().len());
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("failed to listen on `127.0.0.1:9092`")]
    struct Failed(#[source] io::Error);

    fn port_in_use() -> Failed {
        Failed(io::ErrorKind::AddrInUse.into())
    }

    #[test]
    fn error_is_rendered_with_causes_and_hint() {
        let text = render(&port_in_use(), Some("name another port"), &Page::default());
        insta::assert_snapshot!(text, @"
        error: failed to listen on `127.0.0.1:9092`
          caused by: address in use

        hint: name another port
        ");
    }

    #[test]
    fn colored_text_equals_plain_text_plus_escape_sequences() {
        let colored = render(&port_in_use(), Some("stop it"), &Page::new(None, true));
        assert!(colored.starts_with("\x1b["), "{colored}");
        let escape = regex::Regex::new("\x1b\\[[0-9;]*m").unwrap();
        let plain = escape.replace_all(&colored, "");
        let expected = render(&port_in_use(), Some("stop it"), &Page::default());
        assert_eq!(plain, expected);
    }
}
