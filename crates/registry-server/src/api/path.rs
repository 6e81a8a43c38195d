//! Paths of requests: `/contexts/.test/subjects/orders` is `/subjects/:.test:orders`.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::api::refusal::Refusal;
use crate::api::request::{Query, percent_decoded};
use crate::context;

/// The path and the query of a request, without a context of their own.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) segments: Vec<String>,
    pub(super) query: String,
}

impl Target {
    /// Moves the context of a path into the subjects that path and query name.
    pub(super) fn new(path: &str, query: &str) -> Result<Self, Refusal> {
        let path = path.trim_matches('/').split('/');
        let mut segments: Vec<String> = path.map(percent_decoded).collect();
        let mut context = context::DEFAULT.to_owned();
        if segments.len() > 2 && segments.first().is_some_and(|first| first == "contexts") {
            let named = segments.drain(..2).nth(1).unwrap_or_default();
            context = context::in_path(&named).ok_or(Refusal::NoSuchPath)?;
        }
        name_subject(&context, &mut segments);
        let query = name_in_query(&context, &segments, query);
        Ok(Self { segments, query })
    }
}

/// Gives the subject in a path its whole name. Settings of a context are those of its empty subject.
fn name_subject(context: &str, segments: &mut Vec<String>) {
    let is_setting = matches!(
        segments.first().map(String::as_str),
        Some("config" | "mode")
    );
    let place = if is_setting {
        Some(1)
    } else {
        let subjects = segments.iter().position(|segment| segment == "subjects");
        subjects.map(|place| place + 1)
    };
    let Some(place) = place else { return };
    if let Some(subject) = segments.get_mut(place) {
        *subject = context::referred(context, subject);
        if is_setting && subject.is_empty() {
            segments.truncate(place);
        }
    } else if is_setting && context != context::DEFAULT {
        segments.push(context::qualified(context, ""));
    }
}

fn name_in_query(context: &str, segments: &[String], query: &str) -> String {
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let parameter = match segments.as_slice() {
        ["schemas", "ids", ..] => "subject",
        ["schemas" | "subjects"] => "subjectPrefix",
        _ => return query.to_owned(),
    };
    let value = Query(query).get(parameter).unwrap_or_default();
    if context == context::DEFAULT || context::is_qualified(&value) {
        return query.to_owned();
    }
    let value = context::qualified(context, &value);
    let value = utf8_percent_encode(&value, NON_ALPHANUMERIC);
    // The first value of a parameter counts.
    format!("{parameter}={value}&{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &str, query: &str) -> (String, String) {
        let target = Target::new(path, query).unwrap();
        (target.segments.join("/"), target.query)
    }

    #[test]
    fn context_of_a_path_moves_into_its_subject() {
        let cases = [
            ("/subjects/a/versions", "subjects/a/versions"),
            ("/subjects/:.:a/versions", "subjects/a/versions"),
            (
                "/contexts/.t/subjects/a/versions",
                "subjects/:.t:a/versions",
            ),
            ("/contexts/:.t:/subjects/a", "subjects/:.t:a"),
            ("/contexts/.t/subjects/:.u:a", "subjects/:.u:a"),
            ("/contexts/./subjects/a", "subjects/a"),
            (
                "/contexts/.t/compatibility/subjects/a/versions/1",
                "compatibility/subjects/:.t:a/versions/1",
            ),
            ("/contexts/.t/config", "config/:.t:"),
            ("/contexts/.t/mode/a", "mode/:.t:a"),
            ("/config/:.:", "config"),
            ("/contexts", "contexts"),
        ];
        for (path, expected) in cases {
            assert_eq!(target(path, "").0, expected, "{path}");
        }
        assert!(Target::new("/contexts/a:b/subjects", "").is_err());
    }

    #[test]
    fn context_of_a_path_moves_into_the_query_of_lists_and_ids() {
        let cases = [
            ("/schemas/ids/1", "subject=a", "subject=a"),
            ("/contexts/.t/schemas/ids/1", "", ":.t:"),
            ("/contexts/.t/schemas/ids/1", "subject=a", ":.t:a"),
            ("/contexts/.t/schemas/ids/1", "subject=:.u:a", ":.u:a"),
            ("/contexts/.t/subjects", "subjectPrefix=a%26", ":.t:a&"),
            ("/contexts/.t/schemas", "", ":.t:"),
        ];
        for (path, query, expected) in cases {
            let query = target(path, query).1;
            let query = Query(&query);
            let value = query.get("subject").or_else(|| query.get("subjectPrefix"));
            let expected = expected.trim_start_matches("subject=");
            assert_eq!(value.as_deref(), Some(expected), "{path}");
        }
    }
}
