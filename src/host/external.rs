//! Servers that convoy did not start, or leaves running.

use std::time::Duration;

use crate::broker::{Endpoint, Login, Tls};
use crate::error::Error;
use crate::pipeline;
use crate::registry::{self, Client};
use crate::settings::{ExternalBroker, ExternalRegistry};
use crate::terminal::Terminal;

/// Timeout of a request to the registry.
const REGISTRY_TIMEOUT: Duration = Duration::from_secs(10);

/// Returns the endpoint of an existing broker.
pub(crate) fn external_endpoint(external: &ExternalBroker) -> Result<Endpoint, Error> {
    let login = external.credentials.as_ref().map(|credentials| Login {
        mechanism: external.sasl_mechanism,
        user: credentials.name.clone(),
        password: credentials.password.clone(),
    });
    let tls = if external.security_protocol.encrypts() {
        let trusted = Tls::trusting(external.ca_file.as_deref());
        Some(trusted.map_err(pipeline::Error::Broker)?)
    } else {
        None
    };
    Ok(Endpoint {
        bootstrap: external.bootstrap.clone(),
        tls,
        login,
        socks_proxy: None,
    })
}

/// Returns a client of an existing registry.
pub(crate) fn registry_client(external: &ExternalRegistry) -> Result<Client, registry::Error> {
    Client::new(&registry::Settings {
        url: external.url.reveal().to_owned(),
        user: external.credentials.clone(),
        ca_pem: None,
        timeout: REGISTRY_TIMEOUT,
    })
}

/// Says where a container keeps running, and how to remove it.
pub(super) fn report_kept(terminal: &Terminal, server: &str, address: &str, id: Option<String>) {
    let id = id.unwrap_or_default();
    let id = id.get(..12).unwrap_or(&id);
    terminal.say(format_args!(
        "the {server} keeps running at {address}; remove it with \
         `docker rm --force --volumes {id}`"
    ));
}
