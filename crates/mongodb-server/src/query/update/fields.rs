//! The fields of a document that an update changes.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

/// A document with more fields gets an index of their names once it has been searched often.
const FEW_FIELDS: usize = 32;

/// Number of searches before the index is made.
const FEW_SEARCHES: u32 = 8;

/// Fields in order, with values of a type. Many operators find theirs in a large document without a
/// search through all.
pub struct Fields<'a, T> {
    /// A field that was removed leaves a gap, so that positions stay.
    list: Vec<Option<(Cow<'a, str>, T)>>,
    index: Option<HashMap<Cow<'a, str>, usize>>,
    searches: u32,
}

impl<'a, T> Fields<'a, T> {
    /// Returns the value of a field.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        let at = self.position(name)?;
        self.list.get_mut(at)?.as_mut().map(|(_, slot)| slot)
    }

    /// Appends a field, whose name is not taken.
    pub fn push(&mut self, name: Cow<'a, str>, slot: T) {
        if let Some(index) = &mut self.index {
            index.insert(name.clone(), self.list.len());
        }
        self.list.push(Some((name, slot)));
    }

    /// Removes a field.
    pub fn remove(&mut self, name: &str) -> Option<T> {
        let at = self.position(name)?;
        if let Some(index) = &mut self.index {
            index.remove(name);
        }
        let (_, slot) = self.list.get_mut(at)?.take()?;
        Some(slot)
    }

    fn position(&mut self, name: &str) -> Option<usize> {
        if self.index.is_none() && self.list.len() > FEW_FIELDS {
            self.searches = self.searches.saturating_add(1);
            if self.searches == FEW_SEARCHES {
                self.index = self.indexed();
            }
        }
        match &self.index {
            Some(index) => index.get(name).copied(),
            None => self
                .list
                .iter()
                .position(|field| field.as_ref().is_some_and(|(known, _)| known == name)),
        }
    }

    /// Returns the positions of all names; `None` if one occurs twice.
    fn indexed(&self) -> Option<HashMap<Cow<'a, str>, usize>> {
        let mut index = HashMap::with_capacity(self.list.len());
        for (at, field) in self.list.iter().enumerate() {
            if let Some((name, _)) = field
                && index.insert(name.clone(), at).is_some()
            {
                return None;
            }
        }
        Some(index)
    }
}

impl<T> Default for Fields<'_, T> {
    fn default() -> Self {
        Self {
            list: Vec::new(),
            index: None,
            searches: 0,
        }
    }
}

impl<T: Clone> Clone for Fields<'_, T> {
    fn clone(&self) -> Self {
        Self {
            list: self.list.clone(),
            index: None,
            searches: 0,
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Fields<'_, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_list()
            .entries(self.list.iter().flatten())
            .finish()
    }
}

impl<'a, T> FromIterator<(Cow<'a, str>, T)> for Fields<'a, T> {
    fn from_iter<I: IntoIterator<Item = (Cow<'a, str>, T)>>(fields: I) -> Self {
        Self {
            list: fields.into_iter().map(Some).collect(),
            index: None,
            searches: 0,
        }
    }
}

impl<'a, T> IntoIterator for Fields<'a, T> {
    type Item = (Cow<'a, str>, T);
    type IntoIter = std::iter::Flatten<std::vec::IntoIter<Option<Self::Item>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn fields_are_those_of_a_plain_list(
            names in proptest::collection::hash_set(0..200_u32, 0..80),
            operations in proptest::collection::vec((any::<bool>(), 0..200_u32), 0..120),
        ) {
            let field = |name: u32| (name.to_string(), name);
            let mut plain: Vec<u32> = names.iter().copied().collect();
            let mut fields: Fields<'_, u32> = plain
                .iter()
                .map(|name| field(*name))
                .map(|(name, slot)| (Cow::Owned(name), slot))
                .collect();
            for (remove, name) in operations {
                let known = plain.iter().position(|known| *known == name);
                let (text, slot) = field(name);
                prop_assert_eq!(fields.get_mut(&text).is_some(), known.is_some());
                match (remove, known) {
                    (true, _) => {
                        prop_assert_eq!(fields.remove(&text).is_some(), known.is_some());
                        known.map(|at| plain.remove(at));
                    }
                    (false, Some(_)) => {}
                    (false, None) => {
                        fields.push(Cow::Owned(text), slot);
                        plain.push(name);
                    }
                }
            }
            let left: Vec<String> = fields.into_iter().map(|(name, _)| name.into_owned()).collect();
            let plain: Vec<String> = plain.iter().map(ToString::to_string).collect();
            prop_assert_eq!(left, plain);
        }
    }
}
