//! Responses and their headers.

use std::convert::Infallible;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Bytes;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
};
use hyper::{Response, StatusCode};
use tokio::sync::watch;

use crate::web::events::{self, Event};

/// Body of a response.
pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

pub(super) const HTML: &str = "text/html; charset=utf-8";
pub(super) const SCRIPT: &str = "text/javascript; charset=utf-8";
pub(super) const TEXT: &str = "text/plain; charset=utf-8";
pub(super) const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a page may load: this server's scripts and data, and its own styles.
const POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; \
                      style-src 'unsafe-inline'; img-src data:; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// Returns a response with a whole body.
pub(super) fn whole(status: StatusCode, media_type: &'static str, body: String) -> Response<Body> {
    with_headers(
        status,
        media_type,
        Full::new(Bytes::from(body)).boxed_unsync(),
    )
}

/// Returns a response with a plain sentence.
pub(super) fn refusal(status: StatusCode, sentence: &str) -> Response<Body> {
    whole(status, TEXT, format!("{sentence}\n"))
}

/// Returns a response that ends with the last event.
pub(super) fn event_stream(receiver: watch::Receiver<Event>) -> Response<Body> {
    let body = StreamBody::new(events::stream(receiver));
    with_headers(StatusCode::OK, "text/event-stream", body.boxed_unsync())
}

fn with_headers(status: StatusCode, media_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = [
        (CONTENT_TYPE, media_type),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (HeaderName::from_static("x-content-type-options"), "nosniff"),
        (HeaderName::from_static("referrer-policy"), "no-referrer"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    for (name, value) in headers {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}
