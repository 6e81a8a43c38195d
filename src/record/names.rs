//! Names of fields in documents.
//!
//! A top-level field of a payload keeps its name, but for `_id` and `_convoy`, which are convoy's: such
//! a name, also with more underscores in front, gets one more. So no two fields collide.

use std::borrow::Cow;

/// Top-level fields that convoy adds to every document.
pub const RESERVED_FIELDS: [&str; 2] = [ID, OWN];

pub(super) const ID: &str = "_id";
pub(super) const OWN: &str = "_convoy";
/// Returns the name in the document of a top-level field of a payload.
pub(super) fn stored_name(name: &str) -> Cow<'_, str> {
    if name.starts_with('_') && RESERVED_FIELDS.contains(&with_one_underscore(name)) {
        Cow::Owned(format!("_{name}"))
    } else {
        Cow::Borrowed(name)
    }
}

/// Returns the name in the payload of a field of a document; the inverse of [`stored_name`].
pub(super) fn payload_name(name: &str) -> &str {
    match name.strip_prefix('_') {
        Some(shorter) if RESERVED_FIELDS.contains(&with_one_underscore(shorter)) => shorter,
        _ => name,
    }
}

/// Drops all leading underscores but one.
fn with_one_underscore(name: &str) -> &str {
    let leading = name.bytes().take_while(|byte| *byte == b'_').count();
    &name[leading.saturating_sub(1)..]
}

/// Returns a name without zero bytes, which end a name in BSON.
pub(super) fn written_name(name: &str) -> Cow<'_, str> {
    if name.contains('\0') {
        Cow::Owned(name.replace('\0', "␀"))
    } else {
        Cow::Borrowed(name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn stored_names_never_collide_with_each_other_or_with_our_own(
            one in "_{0,3}(id|convoy|x|)", other in "_{0,3}(id|convoy|x|)",
        ) {
            let stored = stored_name(&one);
            prop_assert!(!RESERVED_FIELDS.contains(&stored.as_ref()));
            prop_assert_eq!(payload_name(&stored), one.as_str());
            prop_assert_eq!(stored == stored_name(&other), one == other);
        }
    }
}
