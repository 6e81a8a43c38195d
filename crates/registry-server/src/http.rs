//! HTTP/1.1: connections, authentication and limits. Routes are in [`crate::api`].

use std::sync::Arc;

use convoy_server_kit::{Limits, Users};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::api::{self, Reply, Service};
use crate::authorization;

const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// Approximate limit of a request line and its headers: hyper may accept one more read.
const MAX_HEAD: usize = 64 << 10;

/// Serves HTTP connections.
#[derive(Debug)]
pub(super) struct Frontend {
    service: Arc<Service>,
    users: Users,
    limits: Limits,
    /// Closes connections without finishing their requests.
    cut: CancellationToken,
}

/// A request that does not reach the API.
enum Rejection {
    Unauthorized,
    BodyTooLarge,
    BodyTimeout,
    BodyIncomplete,
    Panicked,
}

impl Frontend {
    pub(super) fn new(
        service: Arc<Service>,
        users: Users,
        limits: Limits,
        cut: CancellationToken,
    ) -> Self {
        Self {
            service,
            users,
            limits,
            cut,
        }
    }

    /// Serves one connection until the client closes it, it idles for too long, or the server
    /// stops.
    pub(super) async fn serve(self: Arc<Self>, stream: TcpStream, stopping: CancellationToken) {
        let idle = self.limits.idle;
        let cut = self.cut.clone();
        let respond = service_fn(move |request| {
            let frontend = Arc::clone(&self);
            async move { Ok::<_, std::convert::Infallible>(frontend.respond(request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(idle)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), respond);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            biased;
            () = cut.cancelled() => return,
            ended = connection.as_mut() => ended,
            () = stopping.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            debug!(%error, "a connection to the schema registry failed");
        }
    }

    async fn respond(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        match self.reply(request).await {
            Ok(reply) => response(reply),
            Err(rejection) => rejection.response(),
        }
    }

    async fn reply(&self, request: Request<Incoming>) -> Result<Reply, Rejection> {
        self.authorize(&request)?;
        let (head, body) = request.into_parts();
        let body = Limited::new(body, self.limits.frame_bytes).collect();
        let body = tokio::time::timeout(self.limits.idle, body).await;
        let body = body.map_err(|_elapsed| Rejection::BodyTimeout)?;
        let body = body.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                Rejection::BodyTooLarge
            } else {
                Rejection::BodyIncomplete
            }
        })?;
        let request = api::Request {
            method: head.method,
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            body: body.to_bytes().into(),
        };
        let service = Arc::clone(&self.service);
        let replied = tokio::task::spawn_blocking(move || service.reply(&request));
        replied.await.map_err(|_panicked| Rejection::Panicked)
    }

    fn authorize(&self, request: &Request<Incoming>) -> Result<(), Rejection> {
        let header = request.headers().get(AUTHORIZATION);
        let header = header.map_or(&b""[..], |value| value.as_bytes());
        if self.users.is_empty() || authorization::is_authorized(header, &self.users) {
            Ok(())
        } else {
            Err(Rejection::Unauthorized)
        }
    }
}

impl Rejection {
    fn response(self) -> Response<Full<Bytes>> {
        let (status, message) = match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "Unauthorized"),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Request body too large"),
            Self::BodyTimeout => (
                StatusCode::REQUEST_TIMEOUT,
                "Request body not received in time",
            ),
            Self::BodyIncomplete => (StatusCode::BAD_REQUEST, "Request body incomplete"),
            Self::Panicked => (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
        };
        let body = json!({ "error_code": status.as_u16(), "message": message });
        let mut response = response(Reply {
            status: status.as_u16(),
            body: body.to_string().into_bytes(),
        });
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"convoy\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

fn response(reply: Reply) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let media_type = HeaderValue::from_static(MEDIA_TYPE);
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}
