//! Opens connections: TCP, TLS, versions, authentication.

use std::time::Duration;

use crate::broker::spec::Endpoint;
use crate::broker::wire::connection::Connection;
use crate::broker::wire::error::Error;
use crate::broker::wire::sasl;
use crate::broker::wire::transport::{self, Deadline};

impl Connection {
    /// Connects, negotiates versions and authenticates, all within `deadline`.
    pub async fn open(
        endpoint: &Endpoint,
        address: &str,
        deadline: Duration,
    ) -> Result<Self, Error> {
        Self::open_until(endpoint, address, Deadline::after(deadline)).await
    }

    pub(super) async fn open_until(
        endpoint: &Endpoint,
        address: &str,
        deadline: Deadline,
    ) -> Result<Self, Error> {
        let stream = transport::connect(endpoint, address, deadline)
            .await
            .map_err(|reason| Error::new(address, reason))?;
        let mut connection = Self::over(stream, address);
        connection.negotiate(deadline).await?;
        if let Some(login) = &endpoint.login {
            let lifetime = sasl::authenticate(&mut connection, login, deadline).await?;
            if let Some(lifetime) = lifetime {
                // The broker closes the connection at the end.
                connection.set_session(Deadline::after(lifetime * 4 / 5));
            }
        }
        Ok(connection)
    }
}
