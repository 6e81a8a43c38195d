//! Tells requests of programs from requests that a web page makes a browser send.
//!
//! A page can send a request to a server on this machine: across origins, if its media type is one of
//! those of forms, or under a name of its own that leads to this machine (DNS rebinding). Pages can
//! neither forge `Host` and `Origin` nor send JSON without being asked for permission.

use std::net::IpAddr;

use hyper::Method;
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderValue, ORIGIN};

/// Why a request is not one of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Foreign {
    /// The request is for a name that is not one of this machine.
    Host,
    /// The request comes from a page.
    Origin,
    /// The media type is not JSON.
    MediaType,
}

/// Checks the headers of a request.
pub(super) fn check(method: &Method, headers: &HeaderMap) -> Result<(), Foreign> {
    let host = text(headers.get(HOST)).unwrap_or_default();
    if !host.is_empty() && !is_local(host_name(host)) {
        return Err(Foreign::Host);
    }
    let cross_site = text(headers.get("sec-fetch-site")) == Some("cross-site");
    let origin = headers.get(ORIGIN);
    let same = |origin: &HeaderValue| {
        let origin = text(Some(origin)).and_then(|origin| origin.strip_prefix("http://"));
        origin.is_some_and(|origin| origin.eq_ignore_ascii_case(host))
    };
    if cross_site || !origin.is_none_or(same) {
        return Err(Foreign::Origin);
    }
    let body = matches!(*method, Method::POST | Method::PUT);
    match headers.get(CONTENT_TYPE) {
        Some(media_type) if body && !is_json(media_type) => Err(Foreign::MediaType),
        _ => Ok(()),
    }
}

fn text(value: Option<&HeaderValue>) -> Option<&str> {
    value.and_then(|value| value.to_str().ok())
}

/// Returns the name in a `Host` header, without its port.
fn host_name(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

/// Returns whether a name is an address, or a name that no page can have: names of pages have dots.
fn is_local(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let reserved = [".localhost", ".internal", ".local"];
    name.parse::<IpAddr>().is_ok()
        || !name.contains('.')
        || reserved.iter().any(|ending| name.ends_with(ending))
}

/// Returns whether a media type is JSON or bytes, which forms cannot send.
fn is_json(media_type: &HeaderValue) -> bool {
    let Some(media_type) = text(Some(media_type)) else {
        return false;
    };
    let media_type = media_type.split(';').next().unwrap_or_default();
    let media_type = media_type.trim().to_ascii_lowercase();
    matches!(
        media_type.as_str(),
        "application/json"
            | "application/octet-stream"
            | "application/vnd.schemaregistry+json"
            | "application/vnd.schemaregistry.v1+json"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(method: &Method, headers: &[(&'static str, &str)]) -> Result<(), Foreign> {
        let value = |text: &str| HeaderValue::from_str(text).expect("it is a value");
        let headers = headers.iter().map(|(name, text)| {
            let name = hyper::header::HeaderName::from_static(name);
            (name, value(text))
        });
        check(method, &headers.collect())
    }

    #[test]
    fn requests_for_names_of_pages_are_refused() {
        for (host, local) in [
            ("127.0.0.1:8081", true),
            ("[::1]:8081", true),
            ("localhost", true),
            ("LOCALHOST:8081", true),
            ("registry:8081", true),
            ("a.localhost:8081", true),
            ("host.docker.internal:8081", true),
            ("evil.example:8081", false),
            ("127.0.0.1.evil.example", false),
            ("localhost.evil.example", false),
            ("evil.example.", false),
            ("1.2.3.4.5", false),
        ] {
            let expected = if local { Ok(()) } else { Err(Foreign::Host) };
            assert_eq!(checked(&Method::GET, &[("host", host)]), expected, "{host}");
        }
        assert_eq!(checked(&Method::GET, &[]), Ok(()));
    }

    #[test]
    fn requests_of_pages_are_refused() {
        let host = ("host", "localhost:8081");
        for (origin, same) in [
            ("http://localhost:8081", true),
            ("http://localhost:3000", false),
            ("https://localhost:8081", false),
            ("http://evil.example", false),
            ("null", false),
            ("", false),
        ] {
            let expected = if same { Ok(()) } else { Err(Foreign::Origin) };
            assert_eq!(
                checked(&Method::DELETE, &[host, ("origin", origin)]),
                expected,
                "{origin}"
            );
        }
        let cross_site = ("sec-fetch-site", "cross-site");
        assert_eq!(
            checked(&Method::POST, &[host, cross_site]),
            Err(Foreign::Origin)
        );
    }

    #[test]
    fn media_types_of_forms_are_refused() {
        for (media_type, json) in [
            ("application/vnd.schemaregistry.v1+json", true),
            ("application/vnd.schemaregistry+json; charset=utf-8", true),
            ("Application/JSON", true),
            ("application/octet-stream", true),
            ("application/vnd.schemaregistry.v2+json", false),
            ("application/xml", false),
            ("text/plain", false),
            ("text/plain; x=application/json", false),
            ("application/x-www-form-urlencoded", false),
            ("multipart/form-data; boundary=x", false),
            ("", false),
        ] {
            let header = [("content-type", media_type)];
            let expected = if json {
                Ok(())
            } else {
                Err(Foreign::MediaType)
            };
            for method in [Method::POST, Method::PUT] {
                assert_eq!(checked(&method, &header), expected, "{media_type}");
            }
            assert_eq!(checked(&Method::GET, &header), Ok(()), "{media_type}");
        }
    }
}
