//! Tells requests for the page from those that another page makes a browser send.
//!
//! A page elsewhere can send requests to this machine, also under a name of its own that leads here
//! (DNS rebinding), but can forge neither `Host` nor `Origin`. So the host must be an address, the
//! name `localhost`, a name without dots, or the host that the user gave.

use std::net::IpAddr;

use hyper::header::{HOST, HeaderMap, HeaderValue, ORIGIN};

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Foreign {
    /// The request is for another name.
    Host,
    /// The request comes from another page.
    Origin,
}

/// Checks the headers of a request to a server at `given`.
pub(super) fn check(headers: &HeaderMap, given: &str) -> Result<(), Foreign> {
    let host = text(headers.get(HOST)).ok_or(Foreign::Host)?;
    let name = host_name(host).to_ascii_lowercase();
    let known = !name.is_empty()
        && (name.parse::<IpAddr>().is_ok()
            || !name.contains('.')
            || name.eq_ignore_ascii_case(given));
    if !known {
        return Err(Foreign::Host);
    }
    let elsewhere = text(headers.get("sec-fetch-site"));
    let elsewhere = elsewhere.is_some_and(|site| site == "cross-site" || site == "same-site");
    let same = |origin: &HeaderValue| {
        let origin = text(Some(origin)).and_then(|origin| origin.strip_prefix("http://"));
        origin.is_some_and(|origin| origin.eq_ignore_ascii_case(host))
    };
    if elsewhere || !headers.get(ORIGIN).is_none_or(same) {
        return Err(Foreign::Origin);
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use hyper::header::HeaderName;

    use super::*;

    fn checked(headers: &[(&'static str, &str)], given: &str) -> Result<(), Foreign> {
        let headers = headers.iter().map(|(name, text)| {
            let value = HeaderValue::from_str(text).unwrap();
            (HeaderName::from_static(name), value)
        });
        check(&headers.collect(), given)
    }

    #[test]
    fn names_of_other_pages_are_refused() {
        for (host, known) in [
            ("127.0.0.1:5665", true),
            ("[::1]:5665", true),
            ("localhost:5665", true),
            ("buildbox", true),
            ("ci.example.org:5665", true),
            ("CI.EXAMPLE.ORG", true),
            ("evil.example:5665", false),
            ("127.0.0.1.evil.example", false),
            ("ci.example.org.evil.example", false),
            ("", false),
            (":5665", false),
        ] {
            let expected = if known { Ok(()) } else { Err(Foreign::Host) };
            let found = checked(&[("host", host)], "ci.example.org");
            assert_eq!(found, expected, "{host}");
        }
        assert_eq!(checked(&[], "localhost"), Err(Foreign::Host));
    }

    #[test]
    fn requests_of_other_pages_are_refused() {
        let host = ("host", "localhost:5665");
        for (origin, same) in [
            ("http://localhost:5665", true),
            ("http://localhost:3000", false),
            ("https://localhost:5665", false),
            ("http://evil.example", false),
            ("null", false),
        ] {
            let expected = if same { Ok(()) } else { Err(Foreign::Origin) };
            let found = checked(&[host, ("origin", origin)], "localhost");
            assert_eq!(found, expected, "{origin}");
        }
        for (site, same) in [
            ("same-origin", true),
            ("none", true),
            ("same-site", false),
            ("cross-site", false),
        ] {
            let expected = if same { Ok(()) } else { Err(Foreign::Origin) };
            let found = checked(&[host, ("sec-fetch-site", site)], "localhost");
            assert_eq!(found, expected, "{site}");
        }
    }
}
