//! Existing servers, from their addresses.

use convoy_server_kit::SecretUri;
use convoy_server_kit::redact_uri;

use crate::broker::SecurityProtocol;
use crate::cli::args::SecurityArgs;
use crate::cli::environment::Environment;
use crate::cli::error::Error;
use crate::cli::origin::{Origin, Origins};
use crate::settings::ExternalBroker;

/// Replication factor that leaves the number to the broker.
pub(super) const BROKER_DEFAULT: i16 = -1;

/// Resolves an existing broker from its addresses.
pub(super) fn external_broker(
    args: &SecurityArgs,
    addresses: &str,
    origins: &Origins,
    environment: &Environment,
) -> Result<ExternalBroker, Error> {
    let bootstrap = bootstrap(addresses, origins)?;
    let credentials = environment.broker_credentials()?;
    let security_protocol = args.security_protocol.unwrap_or(match &credentials {
        Some(_) => SecurityProtocol::SaslSsl,
        None => SecurityProtocol::Plaintext,
    });
    if security_protocol.authenticates() && credentials.is_none() {
        return Err(Error::MissingCredentials { security_protocol });
    }
    Ok(ExternalBroker {
        bootstrap,
        credentials: credentials.filter(|_| security_protocol.authenticates()),
        security_protocol,
        sasl_mechanism: args.sasl_mechanism,
        ca_file: args.ca_file.clone(),
    })
}

fn bootstrap(addresses: &str, origins: &Origins) -> Result<Vec<String>, Error> {
    addresses
        .split(',')
        .map(|address| {
            let address = address.trim();
            let well_formed = address.rsplit_once(':').is_some_and(|(host, port)| {
                !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
            });
            if well_formed && !address.contains("://") {
                Ok(address.to_owned())
            } else {
                Err(invalid(
                    origins,
                    "broker",
                    addresses,
                    "expected `embedded`, `container` or HOST:PORT, separated by commas",
                ))
            }
        })
        .collect()
}

/// Resolves an existing store from its URI.
pub(super) fn external_store(uri: &str, origins: &Origins) -> Result<SecretUri, Error> {
    if uri.starts_with("mongodb://") || uri.starts_with("mongodb+srv://") {
        return Ok(SecretUri::new(uri));
    }
    Err(invalid(
        origins,
        "store",
        uri,
        "expected `embedded`, `container` or a URI that starts with `mongodb://` or `mongodb+srv://`",
    ))
}

fn invalid(origins: &Origins, option: &str, value: &str, reason: &str) -> Error {
    Error::Value {
        option: option.to_owned(),
        value: redact_uri(value),
        origin: origins.get(option).cloned().unwrap_or(Origin::Flag),
        reason: reason.to_owned(),
    }
}
