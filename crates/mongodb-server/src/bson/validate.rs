//! Validates BSON in one pass, without recursion or allocation.

#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::bson::document::{name_end, payload_len};
use crate::bson::invalid::{Invalid, MAX_DEPTH};
use crate::bson::kind::Kind;

/// Bytes of the largest document that may be stored or returned: 16 MiB.
pub const MAX_DOCUMENT_BYTES: usize = 16 * 1024 * 1024;

/// Splits a valid document off the start of `bytes`; returns it and the rest.
pub fn split_document(bytes: &[u8]) -> Result<(&[u8], &[u8]), Invalid> {
    let (document, rest) = document_len(bytes)
        .and_then(|length| bytes.split_at_checked(length))
        .ok_or(Invalid::Length { at: 0 })?;
    document_contents(document)?;
    Ok((document, rest))
}

/// Checks that `bytes` are exactly one valid document of at most 100 levels.
pub fn document(bytes: &[u8]) -> Result<(), Invalid> {
    if document_len(bytes) == Some(bytes.len()) {
        document_contents(bytes)
    } else {
        Err(Invalid::Length { at: 0 })
    }
}

/// Returns the length that a document claims to have.
pub fn document_len(bytes: &[u8]) -> Option<usize> {
    let prefix = bytes.get(..4)?.try_into().ok()?;
    usize::try_from(i32::from_le_bytes(prefix)).ok()
}

/// Checks all elements. `ends` holds the end of each open document, its terminator included.
fn document_contents(bytes: &[u8]) -> Result<(), Invalid> {
    let mut ends = [0_usize; MAX_DEPTH];
    let mut depth = 0;
    let mut at = open(bytes, 0, bytes.len(), &mut ends, &mut depth)?;
    while depth > 0 {
        let end = ends
            .get(depth.saturating_sub(1))
            .copied()
            .unwrap_or_default();
        let wrong = Invalid::Length { at };
        let &kind = bytes.get(at).filter(|_| at < end).ok_or(wrong)?;
        at = at.saturating_add(1);
        if kind == 0 {
            if at != end {
                return Err(wrong);
            }
            depth = depth.saturating_sub(1);
            continue;
        }
        let kind = Kind::from_byte(kind).ok_or(Invalid::UnknownType { kind, at })?;
        at = name(bytes, at)?;
        let rest = bytes.get(at..end).ok_or(wrong)?;
        let length = payload_len(kind, rest)
            .filter(|&length| length < rest.len())
            .ok_or(Invalid::Length { at })?;
        let payload = rest.get(..length).ok_or(wrong)?;
        at = match kind {
            Kind::Document | Kind::Array => open(bytes, at, length, &mut ends, &mut depth)?,
            Kind::CodeWithScope => {
                let scope = code_before_scope(payload).ok_or(Invalid::Value { at })?;
                let length = length.saturating_sub(scope);
                open(
                    bytes,
                    at.saturating_add(scope),
                    length,
                    &mut ends,
                    &mut depth,
                )?
            }
            _ => {
                scalar(kind, payload, at)?;
                at.saturating_add(length)
            }
        };
    }
    Ok(())
}

/// Enters the document of `length` bytes at `at`; returns the offset of its first element.
fn open(
    bytes: &[u8],
    at: usize,
    length: usize,
    ends: &mut [usize; MAX_DEPTH],
    depth: &mut usize,
) -> Result<usize, Invalid> {
    let claimed = bytes.get(at..).and_then(document_len);
    if length < 5 || claimed != Some(length) {
        return Err(Invalid::Length { at });
    }
    *ends.get_mut(*depth).ok_or(Invalid::Depth)? = at.saturating_add(length);
    *depth = depth.saturating_add(1);
    Ok(at.saturating_add(4))
}

/// Checks a name; returns the offset after its terminator.
fn name(bytes: &[u8], at: usize) -> Result<usize, Invalid> {
    let rest = bytes.get(at..).unwrap_or_default();
    let (length, ascii) = name_end(rest).ok_or(Invalid::Length { at })?;
    let name = rest.get(..length).unwrap_or_default();
    if !ascii && std::str::from_utf8(name).is_err() {
        return Err(Invalid::Text { at });
    }
    Ok(at.saturating_add(length).saturating_add(1))
}

fn scalar(kind: Kind, payload: &[u8], at: usize) -> Result<(), Invalid> {
    match kind {
        Kind::String | Kind::Symbol | Kind::Code => text(payload, at),
        Kind::Bool if payload.first().is_some_and(|&byte| byte > 1) => Err(Invalid::Value { at }),
        Kind::Regex if std::str::from_utf8(payload).is_err() => Err(Invalid::Text { at }),
        Kind::DbPointer => {
            let namespace = payload.len().saturating_sub(12);
            text(payload.get(..namespace).unwrap_or_default(), at)
        }
        _ => Ok(()),
    }
}

/// Checks text with its length prefix: UTF-8 and a terminator.
fn text(payload: &[u8], at: usize) -> Result<(), Invalid> {
    match payload.get(4..).and_then(<[u8]>::split_last) {
        Some((0, text)) if std::str::from_utf8(text).is_ok() => Ok(()),
        Some((0, _)) => Err(Invalid::Text { at }),
        _ => Err(Invalid::Value { at }),
    }
}

/// Checks the code before a scope; returns the scope's offset in the payload.
fn code_before_scope(payload: &[u8]) -> Option<usize> {
    let length = document_len(payload.get(4..)?)?;
    let scope = length.checked_add(8)?;
    text(payload.get(4..scope)?, 0).ok()?;
    Some(scope)
}

#[cfg(test)]
#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests may panic"
)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bson::strategies;

    fn nested(depth: usize) -> Vec<u8> {
        let mut bytes = vec![5, 0, 0, 0, 0];
        for _ in 1..depth {
            let length = i32::try_from(bytes.len() + 8).expect("test documents are small");
            let mut outer = length.to_le_bytes().to_vec();
            outer.extend_from_slice(&[3, b'a', 0]);
            outer.extend_from_slice(&bytes);
            outer.push(0);
            bytes = outer;
        }
        bytes
    }

    #[test]
    fn nesting_beyond_the_limit_is_rejected() {
        assert_eq!(document(&nested(MAX_DEPTH)), Ok(()));
        assert_eq!(document(&nested(MAX_DEPTH + 1)), Err(Invalid::Depth));
        assert_eq!(document(&nested(5_000)), Err(Invalid::Depth));
    }

    #[test]
    fn wrong_lengths_are_rejected() {
        for bytes in [
            &[][..],
            &[5, 0, 0, 0],
            &[4, 0, 0, 0],
            &[6, 0, 0, 0, 0],
            &[5, 0, 0, 0, 1],
            &[0xFF, 0xFF, 0xFF, 0x7F, 0],
            &[0xFF, 0xFF, 0xFF, 0xFF, 0],
            &[12, 0, 0, 0, 2, b'a', 0, 0xFF, 0xFF, 0xFF, 0x7F, 0],
        ] {
            assert!(document(bytes).is_err(), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn generated_documents_are_valid_and_their_prefixes_are_not(
            bytes in strategies::document()
        ) {
            prop_assert_eq!(document(&bytes), Ok(()));
            for end in 0..bytes.len() {
                prop_assert!(document(&bytes[..end]).is_err());
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..64),
            flip in any::<usize>(), to in any::<u8>(), valid in strategies::document(),
        ) {
            let _ignored = document(&bytes);
            let mut mutated = valid;
            let at = flip % mutated.len();
            mutated[at] = to;
            if document(&mutated).is_ok() {
                strategies::touch(crate::bson::Doc::new(&mutated));
            }
        }
    }
}
