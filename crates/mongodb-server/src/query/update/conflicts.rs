//! Refuses updates that say two things about one place.

use crate::error::{Code, CommandError};
use crate::query::path::{Part, Path};
use crate::query::update::modification::Modification;
use crate::query::update::operators::Operator;
use crate::query::update::paths::UpdatePath;

/// Refuses paths of which one is another or lies inside of it, and a path that means elements of
/// what another takes for a document.
pub fn check(modifications: &[Modification]) -> Result<(), CommandError> {
    let mut paths: Vec<(&Path, Option<&UpdatePath>)> = Vec::new();
    for modification in modifications {
        paths.push((modification.path.as_path(), Some(&modification.path)));
        if let Operator::Rename(to) = &modification.operator {
            paths.push((to, None));
        }
    }
    // Part by part, so that a path is followed by those that lie inside of it.
    paths.sort_by_key(|(path, _)| path.parts());
    for pair in paths.windows(2) {
        let ((one, one_choices), (other, other_choices)) = (pair[0], pair[1]);
        let common = common_parts(one, other);
        let chooses =
            |path: Option<&UpdatePath>| path.is_some_and(|path| path.chooses_elements(common));
        if one.overlaps(other) || chooses(one_choices) != chooses(other_choices) {
            let names: Vec<&str> = other.parts()[..common].iter().map(Part::name).collect();
            return Err(conflict(format!(
                "Updating the path '{other}' would create a conflict at '{}'",
                names.join(".")
            )));
        }
    }
    Ok(())
}

/// Refuses to change one place by two operators, of which a document decides what they mean.
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
