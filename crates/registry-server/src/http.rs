//! HTTP: connections, credentials, limits. What is asked is none of its business.

use std::sync::Arc;

use convoy_server_kit::Limits;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::api::{self, Reply, Service};
use crate::credentials::Credentials;

const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// Bytes of a request line with its headers, about: one read more may be accepted.
const MAX_HEAD: usize = 64 << 10;

/// Serves connections.
#[derive(Debug)]
pub(super) struct Shell {
    service: Arc<Service>,
    users: Vec<Credentials>,
    limits: Limits,
}

/// Why a request is not even looked at.
enum Turned {
    Unauthorized,
    TooLarge,
    TooSlow,
    BrokenOff,
    Crashed,
}

impl Shell {
    pub(super) fn new(service: Arc<Service>, users: Vec<Credentials>, limits: Limits) -> Self {
        Self {
            service,
            users,
            limits,
        }
    }

    /// Serves one connection until its client leaves, says nothing for too long, or the server
    /// stops.
    pub(super) async fn serve(self: Arc<Self>, stream: TcpStream, stopping: CancellationToken) {
        let idle = self.limits.idle;
        let answer = service_fn(move |request| {
            let shell = Arc::clone(&self);
            async move { Ok::<_, std::convert::Infallible>(shell.answer(request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(idle)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), answer);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stopping.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            debug!(%error, "a connection to the schema registry ended early");
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        match self.reply(request).await {
            Ok(reply) => respond(reply),
            Err(turned) => turned.respond(),
        }
    }

    async fn reply(&self, request: Request<Incoming>) -> Result<Reply, Turned> {
        self.authorize(&request)?;
        let (head, body) = request.into_parts();
        let body = Limited::new(body, self.limits.frame_bytes).collect();
        let body = tokio::time::timeout(self.limits.idle, body).await;
        let body = body.map_err(|_elapsed| Turned::TooSlow)?;
        let body = body.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                Turned::TooLarge
            } else {
                Turned::BrokenOff
            }
        })?;
        let request = api::Request {
            method: head.method,
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            body: body.to_bytes().into(),
        };
        let service = Arc::clone(&self.service);
        let answered = tokio::task::spawn_blocking(move || service.answer(&request));
        answered.await.map_err(|_panicked| Turned::Crashed)
    }

    fn authorize(&self, request: &Request<Incoming>) -> Result<(), Turned> {
        let header = request.headers().get(AUTHORIZATION);
        let header = header.map_or(&b""[..], |value| value.as_bytes());
        let known = |user: &Credentials| user.proved_by(header);
        if self.users.is_empty() || self.users.iter().any(known) {
            Ok(())
        } else {
            Err(Turned::Unauthorized)
        }
    }
}

impl Turned {
    fn respond(self) -> Response<Full<Bytes>> {
        let (status, message) = match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "Unauthorized"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Request body too large"),
            Self::TooSlow => (
                StatusCode::REQUEST_TIMEOUT,
                "Request body not received in time",
            ),
            Self::BrokenOff => (StatusCode::BAD_REQUEST, "Request body broken off"),
            Self::Crashed => (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
        };
        let body = json!({ "error_code": status.as_u16(), "message": message });
        let mut response = respond(Reply {
            status: status.as_u16(),
            body: body.to_string().into_bytes(),
        });
        if status == StatusCode::UNAUTHORIZED {
            let challenge = hyper::header::HeaderValue::from_static("Basic realm=\"convoy\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

fn respond(reply: Reply) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let media_type = hyper::header::HeaderValue::from_static(MEDIA_TYPE);
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}
