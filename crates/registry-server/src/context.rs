//! Contexts: spaces of their own for subjects and ids. `:.test:orders` is the subject `orders` in the context `.test`.

use std::borrow::Cow;

/// The context of subjects that name none.
pub(super) const DEFAULT: &str = ".";

/// Prefix that stands for all contexts.
pub(super) const ALL: &str = ":*:";

/// Splits a name into its context and the subject in it, which may be empty.
pub(super) fn split(name: &str) -> (&str, &str) {
    let qualified = name.strip_prefix(':').filter(|rest| rest.starts_with('.'));
    match qualified {
        Some(rest) => rest.split_once(':').unwrap_or((rest, "")),
        None => (DEFAULT, name),
    }
}

/// Returns the context of a subject.
pub(super) fn of(subject: &str) -> &str {
    split(subject).0
}

/// Returns the name of a subject in a context.
pub(super) fn qualified(context: &str, subject: &str) -> String {
    if context == DEFAULT {
        subject.to_owned()
    } else {
        format!(":{context}:{subject}")
    }
}

/// Returns the only name of a subject: subjects of the default context have no prefix.
pub(super) fn normalized(subject: &str) -> Cow<'_, str> {
    match split(subject) {
        (DEFAULT, name) => Cow::Borrowed(name),
        (context, "") => Cow::Owned(qualified(context, "")),
        _ => Cow::Borrowed(subject),
    }
}

/// Returns the subject that a schema in a context refers to: in the same context unless it names one.
pub(super) fn referred(context: &str, subject: &str) -> String {
    if is_qualified(subject) {
        normalized(subject).into_owned()
    } else {
        qualified(context, subject)
    }
}

/// Whether a subject or a prefix of subjects names a context, or all.
pub(super) fn is_qualified(name: &str) -> bool {
    name.starts_with(":.") || name.starts_with(ALL)
}

/// Returns a context by its name in a path: with or without colons and the dot. `None` if it has a colon within.
pub(super) fn in_path(name: &str) -> Option<String> {
    let name = name.strip_prefix(':').unwrap_or(name);
    let name = name.strip_suffix(':').unwrap_or(name);
    let dot = if name.starts_with('.') { "" } else { "." };
    (!name.contains(':')).then(|| format!("{dot}{name}"))
}

/// Whether a subject has a prefix: one without a context means the default one.
pub(super) fn has_prefix(subject: &str, prefix: &str) -> bool {
    if let Some(prefix) = prefix.strip_prefix(ALL) {
        return split(subject).1.starts_with(prefix);
    }
    let (context, name) = split(subject);
    let (wanted, prefix) = split(prefix);
    context == wanted && name.starts_with(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_into_context_and_subject() {
        let cases = [
            ("orders", (".", "orders"), "orders"),
            (":.:orders", (".", "orders"), "orders"),
            (":.test:orders", (".test", "orders"), ":.test:orders"),
            (":.test:a:b", (".test", "a:b"), ":.test:a:b"),
            (":.test:", (".test", ""), ":.test:"),
            (":.test", (".test", ""), ":.test:"),
            (":orders", (".", ":orders"), ":orders"),
            ("", (".", ""), ""),
        ];
        for (name, parts, only) in cases {
            assert_eq!(split(name), parts, "{name}");
            assert_eq!(normalized(name), only, "{name}");
        }
    }

    #[test]
    fn prefixes_apply_within_their_context() {
        let cases = [
            ("orders", "", true),
            (":.test:orders", "", false),
            ("orders", "or", true),
            (":.test:orders", ":.test:", true),
            (":.test:orders", ":.test:or", true),
            (":.test:orders", ":.test:x", false),
            (":.test2:orders", ":.test:", false),
            ("orders", ":*:", true),
            (":.test:orders", ":*:or", true),
            (":.test:orders", ":*:x", false),
        ];
        for (subject, prefix, has) in cases {
            assert_eq!(has_prefix(subject, prefix), has, "{subject} {prefix}");
        }
    }

    #[test]
    fn contexts_in_paths_may_leave_out_colons_and_dot() {
        for name in [":.test:", ".test", "test", ":test:"] {
            assert_eq!(in_path(name).as_deref(), Some(".test"), "{name}");
        }
        assert_eq!(in_path(".").as_deref(), Some("."));
        assert_eq!(in_path(":.:").as_deref(), Some("."));
        assert_eq!(in_path("a:b"), None);
    }

    #[test]
    fn references_stay_in_the_context_of_the_schema() {
        assert_eq!(referred(".test", "a"), ":.test:a");
        assert_eq!(referred(".test", ":.other:a"), ":.other:a");
        assert_eq!(referred(".test", ":.:a"), "a");
        assert_eq!(referred(".", "a"), "a");
    }
}
