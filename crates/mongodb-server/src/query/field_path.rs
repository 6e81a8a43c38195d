//! The paths of fields that stages and expressions take.

use crate::error::{Code, CommandError};
use crate::query::path::Path;

/// Largest number of names in a path.
const MAX_DEPTH: usize = 200;

/// Reads the path of a field; rejects empty names, names that start with `$`, null bytes and paths
/// deeper than documents may be.
pub fn parse_field_path(path: &str) -> Result<Path, CommandError> {
    check_field_path(path)?;
    Ok(Path::new(path))
}

/// Rejects what [`parse_field_path`] does.
pub fn check_field_path(path: &str) -> Result<(), CommandError> {
    if path.is_empty() {
        let message = "FieldPath cannot be constructed with empty string";
        return Err(CommandError::location(40_352, message));
    }
    if path.ends_with('.') {
        let message = "FieldPath must not end with a '.'.";
        return Err(CommandError::location(40_353, message));
    }
    let mut depth = 0;
    for name in path.split('.') {
        depth += 1;
        check_name(name)?;
    }
    if depth > MAX_DEPTH {
        let message = format!("FieldPath is too long: {depth} names, and at most {MAX_DEPTH} fit");
        return Err(CommandError::new(Code::OVERFLOW, message));
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), CommandError> {
    let (code, what) = match name {
        "" => (15_998, "be empty strings."),
        // The fields of a reference to another document.
        "$id" | "$ref" | "$db" => return Ok(()),
        name if name.starts_with('$') => (
            16_410,
            "start with '$'. Consider using $getField or $setField.",
        ),
        name if name.contains('\0') => (16_411, "contain '\\0'."),
        _ => return Ok(()),
    };
    let message = format!("FieldPath field names may not {what}");
    Err(CommandError::location(code, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_paths_are_rejected_with_their_codes() {
        let deep = vec!["a"; MAX_DEPTH + 1].join(".");
        for (path, code) in [
            ("", Code::location(40_352)),
            ("a.", Code::location(40_353)),
            (".", Code::location(40_353)),
            (".a", Code::location(15_998)),
            ("a..b", Code::location(15_998)),
            ("$a", Code::location(16_410)),
            ("a.$b", Code::location(16_410)),
            ("$a.", Code::location(40_353)),
            ("a\0b", Code::location(16_411)),
            (&deep, Code::OVERFLOW),
        ] {
            let error = check_field_path(path).expect_err(path);
            assert_eq!(error.code(), code, "{path}");
        }
    }

    #[test]
    fn deepest_paths_and_references_are_accepted() {
        let deep = vec!["a"; MAX_DEPTH].join(".");
        for path in ["a", "a.b", "a.0", "a.$id", "$ref", &deep] {
            check_field_path(path).expect(path);
        }
    }
}
