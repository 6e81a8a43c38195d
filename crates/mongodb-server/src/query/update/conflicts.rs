//! Rejects updates in which two operators change the same field.

use crate::error::{Code, CommandError};
use crate::query::path::{Part, Path};
use crate::query::update::modification::Modification;
use crate::query::update::operators::Operator;
use crate::query::update::paths::UpdatePath;

/// Rejects paths that are equal or contain each other, and a path that selects the elements of what
/// another path treats as a document.
pub fn check(modifications: &[Modification]) -> Result<(), CommandError> {
    let mut paths: Vec<(&Path, Option<&UpdatePath>)> = Vec::new();
    for modification in modifications {
        paths.push((modification.path.as_path(), Some(&modification.path)));
        if let Operator::Rename(to) = &modification.operator {
            paths.push((to, None));
        }
    }
    // In the order of the parts, a path is followed by the paths that it contains.
    paths.sort_by_key(|(path, _)| path.parts());
    for pair in paths.windows(2) {
        let ((one, one_update), (other, other_update)) = (pair[0], pair[1]);
        let common = common_parts(one, other);
        let selects =
            |path: Option<&UpdatePath>| path.is_some_and(|path| path.selects_elements(common));
        if one.overlaps(other) || selects(one_update) != selects(other_update) {
            let names: Vec<&str> = other.parts()[..common].iter().map(Part::name).collect();
            return Err(conflict(format!(
                "Updating the path '{other}' would create a conflict at '{}'",
                names.join(".")
            )));
        }
    }
    Ok(())
}

/// Rejects changes of the same field by two operators whose paths depend on the document.
pub fn check_places(
    modifications: &[Modification],
    places: &[Vec<Path>],
) -> Result<(), CommandError> {
    let dynamic = modifications
        .iter()
        .any(|modification| modification.path.is_dynamic());
    if modifications.len() < 2 || !dynamic {
        return Ok(());
    }
    let mut places: Vec<&Path> = places.iter().flatten().collect();
    places.sort_by_key(|path| path.parts());
    match places.windows(2).find(|pair| pair[0].overlaps(pair[1])) {
        Some(pair) => Err(conflict(format!(
            "Update created a conflict at '{}'",
            pair[0]
        ))),
        None => Ok(()),
    }
}

fn common_parts(one: &Path, other: &Path) -> usize {
    let pairs = one.parts().iter().zip(other.parts());
    pairs.take_while(|(one, other)| one == other).count()
}

fn conflict(message: String) -> CommandError {
    CommandError::new(Code::CONFLICTING_UPDATE_OPERATORS, message)
}
