//! One connection to one broker: a request is one write, a response is read with a limit.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::BytesMut;
use convoy_kafka_server::protocol::{FieldError, Input};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest};
use kafka_protocol::protocol::{Request, StrBytes};
use tokio::io::AsyncWriteExt;

use crate::broker::wire::code::ErrorCode;
use crate::broker::wire::error::{Error, Other, Reason, Step};
use crate::broker::wire::request::{self, CLIENT_ID, Form, Response};
use crate::broker::wire::transport::{Deadline, Stream};
use crate::broker::wire::versions::{API_VERSIONS, Versions};

/// Limit on the bytes of a response.
const MAX_RESPONSE: usize = 100 * 1024 * 1024;

/// A larger buffer for requests is freed after use.
const RETAINED_BYTES: usize = 1024 * 1024;

/// A connection to a broker.
pub struct Connection {
    address: String,
    stream: Box<dyn Stream>,
    input: Input,
    output: Vec<u8>,
    versions: Versions,
    /// Name of this client in the broker's log, quotas and groups.
    client_id: StrBytes,
    correlation_id: i32,
    /// Whether a request was not answered: what arrives next would be taken for another response.
    torn: bool,
    /// Time until the SASL session is about to end.
    session: Option<Deadline>,
}

impl Connection {
    /// Wraps a stream on which nothing was sent yet.
    pub(super) fn over(stream: Box<dyn Stream>, address: &str) -> Self {
        Self {
            address: address.to_owned(),
            stream,
            input: Input::new(MAX_RESPONSE),
            output: Vec::new(),
            versions: Versions::default(),
            client_id: StrBytes::from_static_str(CLIENT_ID),
            correlation_id: 0,
            torn: false,
            session: None,
        }
    }

    /// Sets the time after which the connection must be replaced.
    pub(super) fn set_session(&mut self, session: Deadline) {
        self.session = Some(session);
    }

    /// Returns the broker's address, `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Returns false after a timeout, a dropped request or a response that is not valid, and shortly
    /// before the broker ends the SASL session.
    pub fn is_usable(&self) -> bool {
        !self.torn && self.session.is_none_or(|session| !session.left().is_zero())
    }

    /// Sets the name of this client that the broker's tools show.
    pub fn set_client_id(&mut self, client_id: &str) {
        self.client_id = StrBytes::from_string(client_id.to_owned());
    }

    /// Sets the limit on the bytes of a response.
    pub fn set_max_response(&mut self, bytes: usize) {
        self.input.set_limit(bytes);
    }

    /// Returns the highest version of a request in `versions` that the broker has.
    pub fn version<R: Request>(&self, versions: RangeInclusive<i16>) -> Result<i16, Error> {
        let highest = self.versions.highest(api::<R>(), versions);
        highest.map_err(|reason| self.failed(reason))
    }

    /// Sends a request in the highest common version and decodes the response.
    ///
    /// `request` gets the version: fields that it does not have keep their default. Error codes in
    /// the response are for the caller to check.
    pub async fn call<R: Request, T>(
        &mut self,
        versions: RangeInclusive<i16>,
        request: impl FnOnce(i16) -> R + Send,
        deadline: Duration,
        decode: impl FnOnce(&Response) -> Result<T, FieldError> + Send,
    ) -> Result<T, Error> {
        let deadline = Deadline::after(deadline);
        self.call_until(versions, request, deadline, decode).await
    }

    pub(super) async fn call_until<R: Request, T>(
        &mut self,
        versions: RangeInclusive<i16>,
        request: impl FnOnce(i16) -> R + Send,
        deadline: Deadline,
        decode: impl FnOnce(&Response) -> Result<T, FieldError> + Send,
    ) -> Result<T, Error> {
        let version = self.version::<R>(versions)?;
        let frame = self.encode(&request(version), version);
        self.exchange::<R, T>(frame, version, deadline, decode)
            .await
            .map_err(|reason| self.failed(reason))
    }

    /// Sends a frame that holds a request, and decodes the response. Only the correlation id of the
    /// frame is set here.
    pub(in crate::broker) async fn call_encoded<R: Request, T>(
        &mut self,
        frame: &mut [u8],
        version: i16,
        deadline: Duration,
        decode: impl FnOnce(&Response) -> Result<T, FieldError> + Send,
    ) -> Result<T, Error> {
        let deadline = Deadline::after(deadline);
        self.correlation_id = self.correlation_id.wrapping_add(1);
        request::set_correlation_id(frame, self.correlation_id);
        let form = Form::of::<R>(version);
        let response = self.transfer(frame, api::<R>(), form, deadline).await;
        response
            .and_then(|response| self.decode::<R, T>(&response, decode))
            .map_err(|reason| self.failed(reason))
    }

    /// Returns the error of a response without what was asked for.
    pub(in crate::broker) fn lacks<R: Request>(&self, what: &'static str) -> Error {
        let api = api::<R>();
        self.failed(Reason::Lacking { api, what })
    }

    /// Returns the error of a broker that refused a request.
    pub fn refused(&self, code: ErrorCode, message: Option<&str>) -> Error {
        Error::refused(&self.address, code, message)
    }

    pub(super) fn failed(&self, reason: Reason) -> Error {
        Error::new(&self.address, reason)
    }

    /// Asks for the versions that the broker has, which must be the first request.
    pub(super) async fn negotiate(&mut self, deadline: Deadline) -> Result<(), Error> {
        let ours = *API_VERSIONS.end();
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str(CLIENT_ID))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        let frame = self.encode(&request, ours);
        let answer =
            self.exchange::<ApiVersionsRequest, _>(frame, ours, deadline, Versions::decode);
        let answer = answer.await.map_err(|reason| self.failed(reason))?;
        let (mut code, mut versions) = answer;
        if code == ResponseError::UnsupportedVersion.code() {
            let ours = *API_VERSIONS.start();
            let frame = self.encode(&ApiVersionsRequest::default(), ours);
            let answer =
                self.exchange::<ApiVersionsRequest, _>(frame, ours, deadline, Versions::decode);
            (code, versions) = answer.await.map_err(|reason| self.failed(reason))?;
        }
        ErrorCode::check(code).map_err(|code| self.refused(code, None))?;
        self.versions = versions;
        Ok(())
    }

    /// Encodes a request as a frame.
    fn encode<R: Request>(&mut self, request: &R, version: i16) -> Result<Vec<u8>, Reason> {
        self.correlation_id = self.correlation_id.wrapping_add(1);
        let mut frame = std::mem::take(&mut self.output);
        let (client_id, correlation_id) = (&self.client_id, self.correlation_id);
        let encoded = request::encode(request, version, client_id, correlation_id, &mut frame);
        encoded.map_err(|text| {
            let api = api::<R>();
            Reason::Unencodable { api, text }
        })?;
        Ok(frame)
    }

    async fn exchange<R: Request, T>(
        &mut self,
        frame: Result<Vec<u8>, Reason>,
        version: i16,
        deadline: Deadline,
        decode: impl FnOnce(&Response) -> Result<T, FieldError> + Send,
    ) -> Result<T, Reason> {
        let (frame, api) = (frame?, api::<R>());
        let response = self.transfer(&frame, api, Form::of::<R>(version), deadline);
        let response = response.await?;
        if frame.capacity() <= RETAINED_BYTES {
            self.output = frame;
        }
        self.decode::<R, T>(&response, decode)
    }

    fn decode<R: Request, T>(
        &mut self,
        response: &Response,
        decode: impl FnOnce(&Response) -> Result<T, FieldError>,
    ) -> Result<T, Reason> {
        decode(response).map_err(|source| {
            self.torn = true;
            let api = api::<R>();
            Reason::Fields { api, source }
        })
    }

    /// Writes one frame and reads the response to it.
    async fn transfer(
        &mut self,
        frame: &[u8],
        api: ApiKey,
        form: Form,
        deadline: Deadline,
    ) -> Result<Response, Reason> {
        if std::mem::replace(&mut self.torn, true) {
            return Err(Reason::Unusable);
        }
        let step = Step::Response(api);
        let response = deadline.wait(step, self.write_and_read(frame, api));
        let response = response.await??;
        let invalid = |source| Reason::Fields { api, source };
        let (received, response) = Response::split(&response.freeze(), form).map_err(invalid)?;
        let expected = self.correlation_id;
        if received != expected {
            return Err(Reason::Correlation {
                api,
                expected,
                received,
            });
        }
        self.torn = false;
        Ok(response)
    }

    async fn write_and_read(&mut self, frame: &[u8], api: ApiKey) -> Result<BytesMut, Reason> {
        self.stream.write_all(frame).await.map_err(Reason::Io)?;
        self.stream.flush().await.map_err(Reason::Io)?;
        loop {
            let frame = self.input.next_frame();
            if let Some(frame) = frame.map_err(|error| Reason::OtherProtocol(Other::of(error)))? {
                return Ok(frame);
            }
            if self.input.ended() {
                return Err(Reason::Closed(api));
            }
            let filled = self.input.fill(&mut self.stream).await;
            filled.map_err(Reason::Io)?;
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Connection");
        shown
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

fn api<R: Request>() -> ApiKey {
    ApiKey::try_from(R::KEY).expect("every request of the library has a number that it knows")
}
