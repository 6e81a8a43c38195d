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

/// Escape sequence for bold red.
const RED: &str = "\x1b[1;31m";

/// Escape sequence for bold cyan.
const CYAN: &str = "\x1b[1;36m";

/// Escape sequence that resets the color.
const PLAIN: &str = "\x1b[0m";

/// Returns an error with its causes and a hint, without a final newline.
pub fn render(error: &dyn Error, hint: Option<&str>, colored: bool) -> String {
    let mut text = format!("{} {error}", label("error:", RED, colored));
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, "\n  caused by: {}", error.to_string().trim_end());
        cause = error.source();
    }
    if let Some(hint) = hint {
        let _ = write!(text, "\n\n{} {hint}", label("hint:", CYAN, colored));
    }
    text
}

fn label(text: &str, color: &str, colored: bool) -> String {
    if colored {
        format!("{color}{text}{PLAIN}")
    } else {
        text.to_owned()
    }
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
        let text = render(&port_in_use(), Some("name another port"), false);
        insta::assert_snapshot!(text, @"
        error: failed to listen on `127.0.0.1:9092`
          caused by: address in use

        hint: name another port
        ");
    }

    #[test]
    fn colored_text_equals_plain_text_plus_escape_sequences() {
        let colored = render(&port_in_use(), Some("stop it"), true);
        let mut plain = colored;
        for code in [RED, CYAN, PLAIN] {
            plain = plain.replace(code, "");
        }
        assert_eq!(plain, render(&port_in_use(), Some("stop it"), false));
    }
}
