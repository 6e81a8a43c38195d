//! What the driver's errors mean: their kind, and their innermost cause on one line.

use mongodb::error::{Error as DriverError, ErrorKind, WriteError, WriteFailure};

use crate::cause::{Cause, Trouble, one_line};

/// Error codes of a duplicate key: that of today's servers, and two of older ones.
const DUPLICATE_KEY: [i32; 3] = [11_000, 11_001, 12_582];

/// Returns whether an error code means that a unique index already has the value.
pub fn is_duplicate_code(code: i32) -> bool {
    DUPLICATE_KEY.contains(&code)
}

/// Returns whether a command failed because a unique index already has the value.
pub fn is_duplicate_key(error: &DriverError) -> bool {
    match error.kind.as_ref() {
        ErrorKind::Write(WriteFailure::WriteError(failure)) => is_duplicate_code(failure.code),
        ErrorKind::Command(failure) => is_duplicate_code(failure.code),
        _ => false,
    }
}

/// Converts a driver's error without the server's response in full, which may hold documents.
pub fn cause(error: &DriverError) -> Cause {
    match error.kind.as_ref() {
        ErrorKind::Command(failure) => refused(failure.code, &failure.code_name, &failure.message),
        ErrorKind::Write(WriteFailure::WriteError(WriteError { code, message, .. })) => {
            refused(*code, "", message)
        }
        ErrorKind::Write(WriteFailure::WriteConcernError(failure)) => {
            refused(failure.code, &failure.code_name, &failure.message)
        }
        ErrorKind::InsertMany(failure) => {
            if let Some(failure) = &failure.write_concern_error {
                return refused(failure.code, &failure.code_name, &failure.message);
            }
            match failure.write_errors.iter().flatten().next() {
                Some(failure) => refused(failure.code, "", &failure.message),
                None => Cause::new("the server gave no reason", None),
            }
        }
        ErrorKind::Authentication { message, .. } => {
            Cause::new(message, Some(Trouble::Credentials))
        }
        ErrorKind::Io(failure) => {
            let text = failure.to_string();
            Cause::new(&text, Trouble::of_transport(&text))
        }
        ErrorKind::IncompatibleServer { message, .. } => {
            Cause::new(message, Some(Trouble::Version))
        }
        kind => {
            let text = kind.to_string();
            let text = innermost(&text);
            Cause::new(text, trouble(text))
        }
    }
}

/// Returns the cause of an error that the server named by a code.
pub fn refused(code: i32, name: &str, message: &str) -> Cause {
    /// Codes of missing rights, of a missing user, and of a wrong one.
    const UNAUTHORIZED: i32 = 13;
    const AUTHENTICATION_FAILED: i32 = 18;
    let trouble = match code {
        UNAUTHORIZED => Some(Trouble::Forbidden),
        AUTHENTICATION_FAILED => Some(Trouble::Credentials),
        _ => None,
    };
    let message = one_line(message);
    let text = match (message.is_empty(), name.is_empty()) {
        (true, _) => format!("error code {code} {name}"),
        (false, true) => format!("{message} (code {code})"),
        (false, false) => format!("{message} ({name}, code {code})"),
    };
    Cause::new(text.trim_end(), trouble)
}

/// Returns the innermost cause in a message of the driver, which nests errors in the form
/// `Kind: CAUSE, labels: …` when it describes a deployment.
fn innermost(text: &str) -> &str {
    const KIND: &str = "Kind: ";
    let Some(at) = text.rfind(KIND) else {
        return text.split(". Topology: ").next().unwrap_or(text);
    };
    let inner = &text[at + KIND.len()..];
    let inner = inner.split(", labels: ").next().unwrap_or(inner);
    inner.strip_prefix("I/O error: ").unwrap_or(inner)
}

fn trouble(text: &str) -> Option<Trouble> {
    if text.contains("wire version") {
        return Some(Trouble::Version);
    }
    if text.contains("SCRAM failure") || text.contains("Authentication failed") {
        return Some(Trouble::Credentials);
    }
    Trouble::of_transport(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn innermost_cause_is_found_in_a_description_of_the_deployment() {
        let refused = "Server selection timeout: No available servers. Topology: { Type: Unknown, \
            Servers: [ { Address: 127.0.0.1:1, Type: Unknown, Error: Kind: I/O error: Connection \
            refused (os error 111), labels: {}, source: None, server response: None } ] }";
        let cleared = "Connection pool for 127.0.0.1:1 cleared because another operation failed \
            with: Kind: I/O error: unexpected end of file, labels: {}, source: None";
        let old = "Server at 127.0.0.1:1 reports wire version 8, but this version of the MongoDB \
            Rust driver requires at least 9 (MongoDB 4.4).";
        let none = "Server selection timeout: No available servers. Topology: { Type: Unknown }";
        for (text, expected, kind) in [
            (
                refused,
                "Connection refused (os error 111)",
                Some(Trouble::Refused),
            ),
            (cleared, "unexpected end of file", Some(Trouble::Closed)),
            (old, old, Some(Trouble::Version)),
            (
                none,
                "Server selection timeout: No available servers",
                Some(Trouble::Silent),
            ),
        ] {
            assert_eq!(innermost(text), expected);
            assert_eq!(trouble(expected), kind, "{expected}");
        }
    }

    #[test]
    fn refusal_names_its_code_and_fits_on_one_line() {
        let cause = refused(
            13,
            "Unauthorized",
            "Command create\n  requires authentication",
        );
        assert_eq!(
            cause.to_string(),
            "Command create requires authentication (Unauthorized, code 13)"
        );
        assert_eq!(cause.trouble(), Some(Trouble::Forbidden));
        assert_eq!(refused(7, "", "").to_string(), "error code 7");
    }
}
