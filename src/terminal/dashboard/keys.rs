//! Keys that were pressed, from the bytes of the terminal.

/// A key with a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// Screen with this number, from 1.
    Number(usize),
    /// Next screen: tabulator, right or down.
    Next,
    /// Screen before: shift and tabulator, left or up.
    Previous,
    /// What the keys do.
    Help,
    /// End in order.
    Quit,
}

/// Returns the keys among the bytes of one read. Others mean nothing.
pub fn keys(bytes: &[u8]) -> Vec<Key> {
    let mut keys = Vec::new();
    let mut rest = bytes;
    while let [first, after @ ..] = rest {
        // Terminals in application mode send `O` instead of `[`.
        if let (b'\x1b', [b'[' | b'O', code, after @ ..]) = (first, after) {
            keys.extend(arrow(*code));
            rest = after;
        } else {
            keys.extend(character(*first));
            rest = after;
        }
    }
    keys
}

fn arrow(code: u8) -> Option<Key> {
    match code {
        b'C' | b'B' => Some(Key::Next),
        b'D' | b'A' | b'Z' => Some(Key::Previous),
        _ => None,
    }
}

fn character(byte: u8) -> Option<Key> {
    match byte {
        b'1'..=b'9' => Some(Key::Number(usize::from(byte - b'0'))),
        b'\t' => Some(Key::Next),
        b'?' | b'h' => Some(Key::Help),
        b'q' => Some(Key::Quit),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_a_terminal_are_keys() {
        for (bytes, expected) in [
            (&b"\t"[..], &[Key::Next][..]),
            (b"\x1b[C\x1b[D", &[Key::Next, Key::Previous]),
            (b"\x1bOB\x1b[Z", &[Key::Next, Key::Previous]),
            (b"3?q", &[Key::Number(3), Key::Help, Key::Quit]),
            (b"\x1b[5~x\x1b", &[]),
            (b"", &[]),
        ] {
            assert_eq!(keys(bytes), expected, "{bytes:?}");
        }
    }
}
