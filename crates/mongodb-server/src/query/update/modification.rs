//! An operator on a path of a document.

use crate::bson::Doc;
use crate::error::{Code, CommandError};
use crate::query::path::Path;
use crate::query::update::context::UpdateContext;
use crate::query::update::operators::Operator;
use crate::query::update::paths::UpdatePath;
use crate::query::update::tree::Slot;
use crate::query::update::work::Work;

/// One operator on one path.
#[derive(Debug, Clone)]
pub struct Modification {
    pub path: UpdatePath,
    pub operator: Operator,
}

impl Modification {
    /// Returns the paths of a document that the operator changes.
    pub fn places(
        &self,
        root: &mut Slot<'_>,
        context: UpdateContext,
        work: &Work,
    ) -> Result<Vec<Path>, CommandError> {
        match self.operator {
            Operator::SetOnInsert(_) if !context.inserting => Ok(Vec::new()),
            Operator::Rename(_) => self.path.plain().map(|path| vec![path]),
            _ => self.path.expand(root, context.position, work),
        }
    }

    /// Changes a document at these paths.
    pub fn apply(
        &self,
        root: &mut Slot<'_>,
        places: &[Path],
        doc: Doc<'_>,
        context: UpdateContext,
    ) -> Result<(), CommandError> {
        for path in places {
            if let Operator::Rename(to) = &self.operator {
                let found = root.find(path.parts())?.is_some();
                let to_id = to.parts().first().is_some_and(|part| part.name() == "_id");
                if found && to_id && !context.inserting {
                    return Err(CommandError::new(
                        Code::IMMUTABLE_FIELD,
                        format!(
                            "Performing an update on the path '{to}' would modify the immutable field '_id'"
                        ),
                    ));
                }
                return rename(root, path, to);
            }
            if self.operator.needs_target() {
                match root.find(path.parts())? {
                    Some(slot) => self.operator.apply(slot, true, path, doc, context)?,
                    None => root.check_viable(path)?,
                }
            } else if matches!(self.operator, Operator::Unset) {
                root.remove(path.parts())?;
            } else {
                let (slot, existed) = root.find_or_create(path.parts())?;
                self.operator.apply(slot, existed, path, doc, context)?;
            }
        }
        Ok(())
    }
}

fn rename(root: &mut Slot<'_>, from: &Path, to: &Path) -> Result<(), CommandError> {
    if root.find(from.parts())?.is_none() {
        return root.check_viable(from);
    }
    for (path, role) in [(from, "source"), (to, "destination")] {
        for end in 1..path.parts().len() {
            let parent = root.find(&path.parts()[..end])?;
            if parent.is_some_and(|slot| slot.as_array_mut().is_some()) {
                return Err(CommandError::bad_value(format!(
                    "The {role} field cannot be an array element, '{path}' has an array field \
                     called '{}'",
                    path.parts()[end - 1].name()
                )));
            }
        }
    }
    let Some(value) = root.remove(from.parts())? else {
        return Ok(());
    };
    let value = value.into_owned();
    root.remove(to.parts())?;
    *root.find_or_create(to.parts())?.0 = Slot::Value(value);
    Ok(())
}
