//! The media types of responses, chosen by the header `Accept` (RFC 9110).

use hyper::header::{ACCEPT, HeaderMap};

/// The media types on offer with their weights, the preferred one first.
const OFFERED: [(&str, f32); 3] = [
    ("application/vnd.schemaregistry.v1+json", 1.0),
    ("application/vnd.schemaregistry+json", 0.9),
    ("application/json", 0.5),
];

/// Returns the media type for the response; `None` if the client accepts none of those on offer.
pub(super) fn media_type(headers: &HeaderMap) -> Option<&'static str> {
    let mut ranges = Vec::new();
    for value in headers.get_all(ACCEPT) {
        let value = value.to_str().unwrap_or_default();
        ranges.extend(value.split(',').filter_map(Range::parse));
    }
    let [(preferred, _), ..] = OFFERED;
    if ranges.is_empty() {
        return Some(preferred);
    }
    let weigh = |(name, weight): (&'static str, f32)| {
        let fitting = ranges.iter().filter(|range| range.fits(name));
        let most_specific = fitting.max_by_key(|range| range.precision)?;
        let weight = weight * most_specific.weight;
        (weight > 0.0).then_some((name, weight))
    };
    let mut chosen: Option<(&str, f32)> = None;
    for (name, weight) in OFFERED.into_iter().filter_map(weigh) {
        if chosen.is_none_or(|(_, best)| weight > best) {
            chosen = Some((name, weight));
        }
    }
    chosen.map(|(name, _)| name)
}

/// A range of media types: `application/*;q=0.5`.
struct Range {
    name: String,
    weight: f32,
    /// How many parts of the name are given.
    precision: usize,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';');
        let name = parts.next()?.trim().to_ascii_lowercase();
        let (kind, subtype) = name.split_once('/').unwrap_or((&name, "*"));
        let precision = usize::from(kind != "*") + usize::from(subtype != "*");
        let mut weights = parts.filter_map(|parameter| parameter.trim().strip_prefix("q="));
        let weight = weights.next().and_then(|weight| weight.trim().parse().ok());
        (!name.is_empty()).then_some(Self {
            weight: weight.unwrap_or(1.0_f32).clamp(0.0, 1.0),
            precision,
            name,
        })
    }

    fn fits(&self, media_type: &str) -> bool {
        match self.name.split_once('/') {
            Some(("*", _)) => true,
            Some((kind, "*")) => media_type.split('/').next() == Some(kind),
            Some(_) => self.name == media_type,
            None => self.name == "*",
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn media_type_is_the_one_that_the_client_prefers() {
        let (first, second, json) = (
            "application/vnd.schemaregistry.v1+json",
            "application/vnd.schemaregistry+json",
            "application/json",
        );
        for (accept, expected) in [
            (None, Some(first)),
            (Some(""), Some(first)),
            (Some("*/*"), Some(first)),
            (Some("application/*"), Some(first)),
            (Some("application/json"), Some(json)),
            (Some("Application/JSON; charset=utf-8"), Some(json)),
            (Some("text/html, application/json;q=0.1"), Some(json)),
            (Some("application/vnd.schemaregistry+json"), Some(second)),
            (
                Some("application/vnd.schemaregistry.v1+json;q=0.1, application/json"),
                Some(json),
            ),
            (Some("application/json, */*;q=0.1"), Some(json)),
            (Some("application/json;q=0, */*"), Some(first)),
            (Some("text/html, *; q=.2, */*; q=.2"), Some(first)),
            (Some("text/html"), None),
            (Some("application/xml"), None),
            (Some("application/vnd.schemaregistry.v2+json"), None),
            (Some("*/*;q=0"), None),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                let value = HeaderValue::from_str(accept).expect("it is a value");
                headers.insert(ACCEPT, value);
            }
            assert_eq!(media_type(&headers), expected, "{accept:?}");
        }
    }
}
