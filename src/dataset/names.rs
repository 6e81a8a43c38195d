//! Names of columns, from the fields of the header.

use std::collections::BTreeMap;

use crate::dataset::error::{Error, Position};

/// Checks that every column has a name of its own.
pub(super) fn check_names(names: &[String], position: Position) -> Result<(), Error> {
    let mut seen = BTreeMap::new();
    for (index, name) in names.iter().enumerate() {
        let column = index + 1;
        if name.is_empty() {
            return Err(Error::EmptyColumnName { position, column });
        }
        if name.contains(char::is_control) {
            return Err(Error::ControlInColumnName { position, column });
        }
        if let Some(first) = seen.insert(name, column) {
            return Err(Error::DuplicateColumnName {
                position,
                name: name.clone(),
                first,
                second: column,
            });
        }
    }
    Ok(())
}
