//! The connection to the coordinator of one group.

use std::ops::RangeInclusive;
use std::time::Duration;

use convoy_kafka_server::protocol::FieldError;
use kafka_protocol::messages::{FindCoordinatorRequest, ListGroupsRequest};
use kafka_protocol::protocol::Request;

use crate::broker::client::{CONNECT_DEADLINE, Connector};
use crate::broker::error::Error;
use crate::broker::group::requests::{
    CoordinatorAt, FIND_COORDINATOR, LIST_GROUPS, decode_coordinator, decode_group_names, text,
};
use crate::broker::remedy::{GroupStep, Remedy};
use crate::broker::wire::{self, Connection, ErrorCode, Response, connect_any, format_address};

/// Finds the coordinator of a group and sends requests to it.
#[derive(Debug)]
pub struct Coordinator {
    connector: Connector,
    group: String,
    /// Name of the client that the broker's tools show.
    client_id: String,
    request_timeout: Duration,
    connection: Option<Connection>,
}

impl Connector {
    /// Returns a client of the coordinator of a group. It connects at first use.
    pub fn coordinator(&self, group: &str, client_id: &str) -> Coordinator {
        Coordinator {
            connector: self.clone(),
            group: group.to_owned(),
            client_id: client_id.to_owned(),
            request_timeout: self.request_timeout(),
            connection: None,
        }
    }

    /// Requests the names of all groups that a broker coordinates: any broker of the cluster.
    pub async fn group_names(&self) -> Result<Vec<String>, Error> {
        let connected = connect_any(self.endpoint(), CONNECT_DEADLINE).await;
        let mut connection = connected.map_err(|error| self.unreachable(error.into_cause()))?;
        let request = |_version| ListGroupsRequest::default();
        let deadline = self.request_timeout();
        let listed = connection
            .call(LIST_GROUPS, request, deadline, decode_group_names)
            .await;
        let checked = listed.and_then(|(code, names)| {
            ErrorCode::check(code).map_err(|code| connection.refused(code, None))?;
            Ok(names)
        });
        checked.map_err(|error| Error::of_group("", GroupStep::Describe, error))
    }
}

impl Coordinator {
    /// Returns the name of the group.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// Lowers the timeout of requests.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = self.request_timeout.min(timeout);
        self
    }

    /// Sends a request to the coordinator and decodes the response, which may come after `wait`.
    ///
    /// `check` returns the error code of what was decoded.
    pub async fn call<R: Request, T>(
        &mut self,
        step: GroupStep,
        versions: RangeInclusive<i16>,
        wait: Duration,
        request: impl FnOnce(i16) -> R + Send,
        decode: impl FnOnce(&Response) -> Result<(i16, T), FieldError> + Send,
    ) -> Result<T, Error> {
        let deadline = wait + self.request_timeout;
        let connection = self.connected().await?;
        let answered = connection.call(versions, request, deadline, decode).await;
        let checked = answered.and_then(|(code, content)| {
            ErrorCode::check(code).map_err(|code| connection.refused(code, None))?;
            Ok(content)
        });
        checked.map_err(|error| self.failed(step, error))
    }

    /// Requests the number of partitions of a topic; `None` if it does not exist.
    pub async fn partitions(&mut self, topic: &str) -> Result<Option<u32>, Error> {
        let deadline = self.request_timeout;
        let connection = self.connected().await?;
        match wire::topic_metadata(connection, topic, deadline).await {
            Ok(metadata) => {
                let last = metadata.partitions.last_key_value();
                Ok(last.map(|(number, _leader)| number.unsigned_abs() + 1))
            }
            Err(error) if error.code().is_some() => Ok(None),
            Err(error) => Err(self.failed(GroupStep::Assign, error)),
        }
    }

    /// Returns the error of a step; drops a connection that leads to the wrong broker.
    pub fn failed(&mut self, step: GroupStep, error: wire::Error) -> Error {
        let error = Error::of_group(&self.group, step, error);
        if error.remedy() == Remedy::Retry {
            self.connection = None;
        }
        error
    }

    /// Returns the error of a response with an error code.
    pub fn refused(&mut self, step: GroupStep, code: ErrorCode) -> Error {
        let connection = self.connection.as_ref();
        let address = connection.map_or("", Connection::address);
        self.failed(step, wire::Error::refused(address, code, None))
    }

    async fn connected(&mut self) -> Result<&mut Connection, Error> {
        let usable = self.connection.take();
        let connection = match usable.filter(Connection::is_usable) {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        Ok(self.connection.insert(connection))
    }

    async fn connect(&self) -> Result<Connection, Error> {
        let endpoint = self.connector.endpoint();
        let unconnected = |error: wire::Error| self.connector.unreachable(error.into_cause());
        let connected = connect_any(endpoint, CONNECT_DEADLINE).await;
        let mut connection = connected.map_err(unconnected)?;
        let found = self.find(&mut connection).await;
        let found = found.map_err(|error| Error::of_group(&self.group, GroupStep::Find, error))?;
        let address = format_address(&found.host, found.port);
        if address != connection.address() {
            let opened = Connection::open(endpoint, &address, CONNECT_DEADLINE).await;
            connection = opened.map_err(unconnected)?;
        }
        connection.set_client_id(&self.client_id);
        Ok(connection)
    }

    async fn find(&self, connection: &mut Connection) -> Result<CoordinatorAt, wire::Error> {
        let group = text(&self.group);
        // The key type of groups is 0.
        let request = |version| match version {
            4.. => FindCoordinatorRequest::default().with_coordinator_keys(vec![group]),
            _ => FindCoordinatorRequest::default().with_key(group),
        };
        let deadline = self.request_timeout;
        let found = connection
            .call(FIND_COORDINATOR, request, deadline, decode_coordinator)
            .await?;
        ErrorCode::check(found.code)
            .map_err(|code| connection.refused(code, found.message.as_deref()))?;
        Ok(found)
    }
}
