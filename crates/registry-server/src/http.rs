//! HTTP/1.1: connections, authentication and limits. Routes are in [`crate::api`].

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use convoy_server_kit::{Attempts, Connections, Guest, Limits, Users};
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

use crate::accept;
use crate::api::{self, Reply, Service};
use crate::authorization;
use crate::origin::{self, Foreign};
use crate::settings::Settings;

const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// Approximate limit of a request line and its headers: hyper may accept one more read.
const MAX_HEAD: usize = 64 << 10;

/// Serves HTTP connections.
#[derive(Debug)]
pub(super) struct Frontend {
    service: Arc<Service>,
    connections: Arc<Connections>,
    users: Users,
    attempts: Attempts,
    limits: Limits,
    first_request: Duration,
    /// Closes connections without finishing their requests.
    cut: CancellationToken,
}

/// A request that does not reach the API.
enum Rejection {
    Unauthorized,
    Foreign(Foreign),
    NotAcceptable,
    BodyTooLarge,
    BodyTimeout,
    BodyIncomplete,
    Panicked,
}

impl Frontend {
    pub(super) fn new(service: Arc<Service>, settings: &Settings, cut: CancellationToken) -> Self {
        let limits = settings.limits;
        Self {
            service,
            connections: Arc::new(Connections::new(limits.connections, Duration::ZERO)),
            users: Users::new(settings.users.clone()),
            attempts: Attempts::default(),
            limits,
            first_request: settings.first_request,
            cut,
        }
    }

    /// Serves one connection until the client closes it, it idles for too long, or the server
    /// stops.
    pub(super) async fn serve(self: Arc<Self>, stream: TcpStream, stopping: CancellationToken) {
        let idle = self.limits.idle;
        let first_request = idle.min(self.first_request);
        let cut = self.cut.clone();
        let Ok(peer) = stream.peer_addr() else {
            return;
        };
        let place = self.connections.enter().await;
        let connection = Arc::clone(place.guest());
        let answering = Arc::clone(&connection);
        let respond = service_fn(move |request| {
            let (frontend, connection) = (Arc::clone(&self), Arc::clone(&answering));
            async move {
                let _busy = connection.busy();
                Ok::<_, std::convert::Infallible>(
                    frontend.respond(request, peer.ip(), &connection).await,
                )
            }
        });
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(idle)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), respond);
        let mut serving = std::pin::pin!(serving);
        let ended = tokio::select! {
            biased;
            () = cut.cancelled() => return,
            ended = serving.as_mut() => ended,
            () = silent(&connection, first_request) => return,
            () = connection.evicted() => return,
            () = stopping.cancelled() => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        };
        if let Err(error) = ended {
            debug!(%error, "a connection to the schema registry failed");
        }
    }

    async fn respond(
        &self,
        request: Request<Incoming>,
        peer: IpAddr,
        connection: &Guest,
    ) -> Response<Full<Bytes>> {
        let Some(media_type) = accept::media_type(request.headers()) else {
            return Rejection::NotAcceptable.response(MEDIA_TYPE);
        };
        match self.reply(request, peer, connection).await {
            Ok(reply) => response(reply, media_type),
            Err(rejection) => rejection.response(media_type),
        }
    }

    async fn reply(
        &self,
        request: Request<Incoming>,
        peer: IpAddr,
        connection: &Guest,
    ) -> Result<Reply, Rejection> {
        origin::check(request.method(), request.headers()).map_err(Rejection::Foreign)?;
        self.authorize(&request, peer).await?;
        connection.trust();
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

    async fn authorize(&self, request: &Request<Incoming>, peer: IpAddr) -> Result<(), Rejection> {
        if self.users.is_empty() {
            return Ok(());
        }
        let Some(header) = request.headers().get(AUTHORIZATION) else {
            return Err(Rejection::Unauthorized);
        };
        let attempt = self.attempts.begin(peer).await;
        if authorization::is_authorized(header.as_bytes(), &self.users) {
            return Ok(());
        }
        attempt.failed().await;
        Err(Rejection::Unauthorized)
    }
}

/// Returns when a connection has sent no request that was authorized within a time.
async fn silent(connection: &Guest, within: Duration) {
    tokio::time::sleep(within).await;
    if connection.is_trusted() || connection.is_busy() {
        std::future::pending::<()>().await;
    }
}

impl Rejection {
    fn response(self, media_type: &'static str) -> Response<Full<Bytes>> {
        let (status, message) = match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "Unauthorized"),
            Self::Foreign(Foreign::Host) => (
                StatusCode::FORBIDDEN,
                "The host of the request is not a name of this machine",
            ),
            Self::Foreign(Foreign::Origin) => (
                StatusCode::FORBIDDEN,
                "Requests of web pages are not allowed",
            ),
            Self::Foreign(Foreign::MediaType) => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "HTTP 415 Unsupported Media Type",
            ),
            Self::NotAcceptable => (StatusCode::NOT_ACCEPTABLE, "HTTP 406 Not Acceptable"),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Request body too large"),
            Self::BodyTimeout => (
                StatusCode::REQUEST_TIMEOUT,
                "Request body not received in time",
            ),
            Self::BodyIncomplete => (StatusCode::BAD_REQUEST, "Request body incomplete"),
            Self::Panicked => (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
        };
        let body = json!({ "error_code": status.as_u16(), "message": message });
        let reply = Reply {
            status: status.as_u16(),
            body: body.to_string().into_bytes(),
        };
        let mut response = response(reply, media_type);
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"convoy\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

fn response(reply: Reply, media_type: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let media_type = HeaderValue::from_static(media_type);
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}
