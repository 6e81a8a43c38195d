//! The HTTP server.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use convoy_server_kit::{self as kit, Limits};
use hyper::body::Incoming;
use hyper::header::{ALLOW, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::web::address::WebAddress;
use crate::web::error::Error;
use crate::web::events::Event;
use crate::web::origin::{self, Foreign};
use crate::web::response::{self, Body};

/// Connections at a time, most of them browsers. More wait until one ends.
const CONNECTIONS: usize = 32;

/// Bytes of a request line and its headers.
const MAX_HEAD: usize = 16 << 10;

/// How long a connection may stay without a request.
const IDLE: Duration = Duration::from_secs(30);

/// How long browsers may take to receive the last event.
const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// How long a detail may take.
const DETAIL_DEADLINE: Duration = Duration::from_secs(3);

/// Script of the page.
const SCRIPT: &str = include_str!("live.js");

/// A detail that is being looked up; `None` if there is none of this name.
pub type Detail = Pin<Box<dyn Future<Output = Option<String>> + Send>>;

/// What the server shows.
pub trait Site: fmt::Debug + Send + Sync {
    /// Returns the whole page.
    fn page(&self) -> String;

    /// Returns the parts of the page that change: HTML by the id of an element, as a JSON object.
    fn parts(&self) -> String;

    /// Returns the metrics.
    fn metrics(&self) -> String;

    /// Looks up the HTML of a detail, such as `vehicle/7`.
    fn detail(&self, name: &str) -> Detail;
}

/// A running server. Dropping it closes its connections.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    listener: kit::Server,
    events: watch::Sender<Event>,
    /// Wakes the task that draws.
    changed: mpsc::Sender<()>,
    drawing: tokio::task::JoinHandle<()>,
    runtime: Handle,
}

/// What every connection needs.
#[derive(Debug)]
struct Frontend {
    site: Arc<dyn Site>,
    /// Host as the user gave it.
    host: String,
    events: watch::Receiver<Event>,
    /// One detail at a time.
    details: Semaphore,
}

impl Server {
    /// Serves a site on a runtime.
    pub fn start(
        address: &WebAddress,
        site: Arc<dyn Site>,
        runtime: &Handle,
    ) -> Result<Self, Error> {
        let listen = address.resolve()?;
        let (events, receiver) = watch::channel(Event::default());
        let frontend = Arc::new(Frontend {
            site: Arc::clone(&site),
            host: address.host().to_owned(),
            events: receiver,
            details: Semaphore::new(1),
        });
        let limits = Limits {
            connections: CONNECTIONS,
            frame_bytes: 0,
            idle: IDLE,
        };
        let handle = move |stream, stopping| Arc::clone(&frontend).serve(stream, stopping);
        let server = runtime.block_on(async {
            let listener = kit::bind(listen).await?;
            kit::Server::start(listener, limits, handle).map_err(|source| kit::Error::Bind {
                address: listen,
                source,
            })
        });
        let server = server.map_err(Error::Listen)?;
        let (changed, changes) = mpsc::channel(1);
        let drawing = runtime.spawn(draw(site, events.clone(), changes));
        Ok(Self {
            address: server.address(),
            listener: server,
            events,
            changed,
            drawing,
            runtime: runtime.clone(),
        })
    }

    /// Returns the address that browsers open.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Returns a bell that shows changes of the site.
    pub fn bell(&self) -> Bell {
        Bell(self.changed.clone())
    }

    /// Sends the last event, with the report if there is one, and closes all connections.
    pub fn stop(self, report: Option<&str>) {
        let data = serde_json::json!({ "report": report }).to_string();
        self.drawing.abort();
        self.events
            .send_if_modified(|event| event.advance("end", &data, true));
        let stopped = self
            .runtime
            .block_on(async { tokio::time::timeout(STOP_DEADLINE, self.listener.stop()).await });
        if stopped.is_err() {
            tracing::debug!("a browser did not receive the last event in time");
        }
    }
}

/// Shows changes of a site.
#[derive(Debug, Clone)]
pub struct Bell(mpsc::Sender<()>);

impl Bell {
    /// Shows that the site has changed: call it about once a second. It does not wait, and the parts
    /// are drawn only if somebody looks.
    pub fn ring(&self) {
        // One that is already waiting stands for this one too.
        let _waiting = self.0.try_send(());
    }
}

/// Draws the parts of the site after each change, if a browser waits for events.
async fn draw(site: Arc<dyn Site>, events: watch::Sender<Event>, mut changes: mpsc::Receiver<()>) {
    while changes.recv().await.is_some() {
        // One receiver belongs to the server.
        if events.receiver_count() > 1 {
            let parts = site.parts();
            // The server may have sent the last event in the meantime.
            events.send_if_modified(|event| event.advance("second", &parts, false));
        }
    }
}

impl Frontend {
    /// Serves one connection until the browser closes it, it idles for too long, or the server stops.
    async fn serve(self: Arc<Self>, stream: TcpStream, stopping: CancellationToken) {
        let respond = service_fn(move |request| {
            let frontend = Arc::clone(&self);
            async move { Ok::<_, Infallible>(frontend.respond(&request).await) }
        });
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(IDLE)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), respond);
        let mut serving = std::pin::pin!(serving);
        let ended = tokio::select! {
            biased;
            ended = serving.as_mut() => ended,
            () = stopping.cancelled() => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection to the live page failed");
        }
    }

    async fn respond(&self, request: &Request<Incoming>) -> Response<Body> {
        if let Err(foreign) = origin::check(request.headers(), &self.host) {
            let reason = match foreign {
                Foreign::Host => "the host of the request is not the one of this page",
                Foreign::Origin => "requests of other pages are refused",
            };
            return response::refusal(StatusCode::FORBIDDEN, reason);
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let reason = "nothing can be changed here";
            let mut refusal = response::refusal(StatusCode::METHOD_NOT_ALLOWED, reason);
            let allowed = HeaderValue::from_static("GET, HEAD");
            refusal.headers_mut().insert(ALLOW, allowed);
            return refusal;
        }
        match request.uri().path() {
            "/" => response::whole(StatusCode::OK, response::HTML, self.site.page()),
            "/live.js" => response::whole(StatusCode::OK, response::SCRIPT, SCRIPT.to_owned()),
            "/events" => response::event_stream(self.events.clone()),
            "/metrics" => response::whole(StatusCode::OK, response::METRICS, self.site.metrics()),
            path => self.detail(path.trim_start_matches('/')).await,
        }
    }

    async fn detail(&self, name: &str) -> Response<Body> {
        let Ok(_alone) = self.details.try_acquire() else {
            let reason = "another detail is being looked up";
            return response::refusal(StatusCode::TOO_MANY_REQUESTS, reason);
        };
        match tokio::time::timeout(DETAIL_DEADLINE, self.site.detail(name)).await {
            Ok(Some(html)) => response::whole(StatusCode::OK, response::HTML, html),
            Ok(None) => response::refusal(StatusCode::NOT_FOUND, "there is no such page"),
            Err(_elapsed) => response::refusal(
                StatusCode::GATEWAY_TIMEOUT,
                "the store did not answer in time",
            ),
        }
    }
}
