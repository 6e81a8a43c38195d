//! Names of fields: the columns' names, changed where MongoDB or convoy cannot take them.
//!
//! - A column without a name is `column_N`, by its number.
//! - Control characters, dots and a leading `$` become `_`.
//! - `_id` and `_convoy` become `_id_` and `_convoy_`: convoy writes fields of these names.
//! - A name that another column has gets `_2`, `_3` and so on.
//!
//! Columns whose names need no change keep them; names given by the user come first.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::dataset::options::Rename;

/// Fields that convoy writes into every document.
const RESERVED: [&str; 2] = ["_id", "_convoy"];

/// A column whose field does not have the name of the header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Renamed {
    /// Number of the column, from 1.
    pub column: usize,
    /// Name in the header.
    pub from: String,
    /// Name of the field.
    pub to: String,
    /// The reason, as in "it contains a dot"; `None` if the user gave the name.
    pub reason: Option<&'static str>,
}

/// A new name cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::dataset) enum RenameError {
    /// There is no column of this name.
    Unknown,
    /// The name of the field is not possible, with the reason.
    Target(&'static str),
    /// Another column has the name.
    Taken {
        /// Number of the other column, from 1.
        column: usize,
    },
}

/// Returns the name of the field of each column, and which are not the header's.
///
/// Fails with the index of the first new name that cannot be used.
pub(in crate::dataset) fn field_names(
    header: &[String],
    renames: &[&Rename],
) -> Result<(Vec<String>, Vec<Renamed>), (usize, RenameError)> {
    let unnamed = BTreeMap::new();
    let automatic = names(header, &unnamed);
    let mut given = BTreeMap::new();
    for (index, rename) in renames.iter().enumerate() {
        let column = find(header, &automatic, &given, rename);
        let column = column.ok_or((index, RenameError::Unknown))?;
        if let Some(reason) = reason(&rename.to) {
            return Err((index, RenameError::Target(reason)));
        }
        given.insert(column, (index, rename.to.as_str()));
    }
    check_free(header, &given)?;
    let given = given.into_iter().map(|(column, (_, to))| (column, to));
    let given = given.collect();
    let names = names(header, &given);
    let renamed = header
        .iter()
        .zip(&names)
        .enumerate()
        .filter(|(_, (from, to))| from != to);
    let renamed = renamed.map(|(index, (from, to))| Renamed {
        column: index + 1,
        from: from.clone(),
        to: to.clone(),
        reason: (!given.contains_key(&index))
            .then(|| reason(from).unwrap_or("another column has this name")),
    });
    let renamed = renamed.collect();
    Ok((names, renamed))
}

/// Finds the column of a new name: by its name in the header, else by its automatic name.
fn find(
    header: &[String],
    automatic: &[String],
    given: &BTreeMap<usize, (usize, &str)>,
    rename: &Rename,
) -> Option<usize> {
    let find = |names: &[String]| {
        let mut names = names.iter().enumerate();
        let found = names.find(|(index, name)| **name == rename.from && !given.contains_key(index));
        found.map(|(index, _)| index)
    };
    find(header).or_else(|| find(automatic))
}

/// Checks that given names differ from each other and from the names of all other columns.
fn check_free(
    header: &[String],
    given: &BTreeMap<usize, (usize, &str)>,
) -> Result<(), (usize, RenameError)> {
    for (column, (index, to)) in given {
        let other = header.iter().enumerate().find(|(other, name)| {
            let name = given.get(other).map_or(name.as_str(), |(_, to)| to);
            other != column && name == *to
        });
        if let Some((other, _)) = other {
            let column = other + 1;
            return Err((*index, RenameError::Taken { column }));
        }
    }
    Ok(())
}

/// Names every column; the names of `given` are fixed.
fn names(header: &[String], given: &BTreeMap<usize, &str>) -> Vec<String> {
    let mut taken: BTreeSet<String> = given.values().map(|&name| name.to_owned()).collect();
    let mut names: Vec<Option<String>> = (0..header.len())
        .map(|column| given.get(&column).map(|&name| name.to_owned()))
        .collect();
    for (name, from) in names.iter_mut().zip(header) {
        if name.is_none() && reason(from).is_none() && taken.insert(from.clone()) {
            *name = Some(from.clone());
        }
    }
    let names = names.into_iter().zip(header).enumerate();
    names
        .map(|(index, (name, from))| {
            name.unwrap_or_else(|| {
                let wanted = changed(from, index + 1);
                let next = (2..).map(|number| format!("{wanted}_{number}"));
                let mut candidates = std::iter::once(wanted.clone()).chain(next);
                let free = candidates.find(|name| taken.insert(name.clone()));
                free.unwrap_or(wanted)
            })
        })
        .collect()
}

/// Changes a name so that a field can have it.
fn changed(from: &str, column: usize) -> String {
    if from.is_empty() {
        return format!("column_{column}");
    }
    if RESERVED.contains(&from) {
        return format!("{from}_");
    }
    let mut name = from.replace(|c: char| c == '.' || c.is_control(), "_");
    if name.starts_with('$') {
        name.replace_range(..1, "_");
    }
    if RESERVED.contains(&name.as_str()) {
        name.push('_');
    }
    name
}

/// Returns why no field can have a name.
fn reason(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("the column has no name")
    } else if RESERVED.contains(&name) {
        Some("convoy writes a field of this name")
    } else if name.starts_with('$') {
        Some("MongoDB reserves a leading `$` for operators")
    } else if name.contains('.') {
        Some("MongoDB reads a dot as a path")
    } else if name.contains(char::is_control) {
        Some("it contains a control character")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn renames(pairs: &[(&str, &str)]) -> Vec<Rename> {
        let rename = |(from, to): &(&str, &str)| Rename {
            from: (*from).to_owned(),
            to: (*to).to_owned(),
        };
        pairs.iter().map(rename).collect()
    }

    #[test]
    fn names_change_by_one_rule() {
        for (header, expected) in [
            (
                &["id", "speed [km/h]", "速度"][..],
                &["id", "speed [km/h]", "速度"][..],
            ),
            (
                &["vehicle", "run", "kafka", "sequence"],
                &["vehicle", "run", "kafka", "sequence"],
            ),
            (&["_id", "_convoy", "id"], &["_id_", "_convoy_", "id"]),
            (
                &["engine.rpm", ".x", "a.b.c"],
                &["engine_rpm", "_x", "a_b_c"],
            ),
            (&["$speed", "a$b", "$"], &["_speed", "a$b", "_"]),
            (&["$id", ".id", "_id"], &["_id_", "_id__2", "_id__3"]),
            (&["", "speed", ""], &["column_1", "speed", "column_3"]),
            (&["temp", "temp", "temp"], &["temp", "temp_2", "temp_3"]),
            (&["temp", "temp", "temp_2"], &["temp", "temp_3", "temp_2"]),
            (&["a.b", "a_b"], &["a_b_2", "a_b"]),
            (&["a\0b", "c\rd"], &["a_b", "c_d"]),
            (&["", "column_1"], &["column_1_2", "column_1"]),
        ] {
            let (names, renamed) = field_names(&owned(header), &[]).unwrap();
            assert_eq!(names, owned(expected), "{header:?}");
            assert!(renamed.iter().all(|renamed| renamed.reason.is_some()));
        }
    }

    #[test]
    fn given_names_come_first() {
        let header = owned(&["a", "b", "temp", "temp", "x.y", ""]);
        for (pairs, expected) in [
            (
                &[("a", "c")][..],
                &["c", "b", "temp", "temp_2", "x_y", "column_6"][..],
            ),
            (
                &[("a", "b"), ("b", "a")],
                &["b", "a", "temp", "temp_2", "x_y", "column_6"],
            ),
            (
                &[("temp", "in"), ("temp", "out")],
                &["a", "b", "in", "out", "x_y", "column_6"],
            ),
            (
                &[("temp_2", "out")],
                &["a", "b", "temp", "out", "x_y", "column_6"],
            ),
            (
                &[("x.y", "y"), ("column_6", "z")],
                &["a", "b", "temp", "temp_2", "y", "z"],
            ),
            (
                &[("x_y", "y")],
                &["a", "b", "temp", "temp_2", "y", "column_6"],
            ),
            (
                &[("a", "x_y")],
                &["x_y", "b", "temp", "temp_2", "x_y_2", "column_6"],
            ),
        ] {
            let (names, _) =
                field_names(&header, &renames(pairs).iter().collect::<Vec<_>>()).unwrap();
            assert_eq!(names, owned(expected), "{pairs:?}");
        }
    }

    #[test]
    fn impossible_new_names_are_rejected() {
        let header = owned(&["a", "b"]);
        let error = |pairs: &[(&str, &str)]| {
            field_names(&header, &renames(pairs).iter().collect::<Vec<_>>()).unwrap_err()
        };
        assert_eq!(error(&[("a", "c"), ("z", "y")]), (1, RenameError::Unknown));
        assert_eq!(error(&[("a", "c"), ("a", "d")]), (1, RenameError::Unknown));
        assert_eq!(error(&[("a", "b")]), (0, RenameError::Taken { column: 2 }));
        for to in ["", "_id", "_convoy", "$x", "x.y", "x\0"] {
            let (index, error) = error(&[("a", to)]);
            assert!(
                index == 0 && matches!(error, RenameError::Target(_)),
                "{to:?}"
            );
        }
        let both = error(&[("a", "c"), ("b", "c")]);
        assert_eq!(both, (0, RenameError::Taken { column: 2 }));
    }

    #[test]
    fn changes_are_told_with_their_reason() {
        let header = owned(&["_id", "a"]);
        let (_, renamed) =
            field_names(&header, &renames(&[("a", "b")]).iter().collect::<Vec<_>>()).unwrap();
        let told: Vec<_> = renamed.iter().map(|it| (it.column, it.reason)).collect();
        let reason = Some("convoy writes a field of this name");
        assert_eq!(told, [(1, reason), (2, None)]);
    }

    proptest! {
        #[test]
        fn any_header_gets_different_possible_names(
            header in prop::collection::vec("[._$a\0]{0,3}|_id|_convoy|column_[12]", 1..12),
        ) {
            let (names, _) = field_names(&header, &[]).unwrap();
            let different: BTreeSet<_> = names.iter().collect();
            prop_assert_eq!(different.len(), header.len());
            prop_assert!(names.iter().all(|name| reason(name).is_none()), "{:?}", names);
        }
    }
}
