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
    let credentials = environment.broker_credentials(addresses)?;
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
    let bootstrap = addresses.split(',').map(|address| {
        let address = address.trim();
        check_address(address).map_err(|advice| {
            let reason = "expected `embedded`, `container` or HOST:PORT, separated by commas";
            match invalid(origins, "broker", addresses, reason) {
                Error::Value {
                    option,
                    value,
                    origin,
                    reason,
                    ..
                } => Error::Value {
                    option,
                    value,
                    origin,
                    reason,
                    advice,
                },
                other => other,
            }
        })?;
        Ok(address.to_owned())
    });
    bootstrap.collect()
}

/// Checks `HOST:PORT`; the error is a hint, if there is a better one than to correct the source.
fn check_address(address: &str) -> Result<(), Option<String>> {
    if address.contains('@') {
        return Err(Some(
            "remove user and password from the address: set `CONVOY_BROKER_USERNAME` and `CONVOY_BROKER_PASSWORD`"
                .to_owned(),
        ));
    }
    if let Some((_scheme, rest)) = address.split_once("://") {
        return Err(Some(format!("remove the protocol: `{rest}`")));
    }
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) => (host, port),
        None if address.is_empty() => return Err(None),
        None => return Err(Some(format!("did you mean `{address}:9092`?"))),
    };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    if host.is_empty() || (host.contains(':') && !bracketed) {
        return Err(None);
    }
    match port.parse::<u16>() {
        Ok(port) if port > 0 => Ok(()),
        _ => Err(Some("ports are numbers from 1 to 65535".to_owned())),
    }
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

pub(super) fn invalid(origins: &Origins, option: &str, value: &str, reason: &str) -> Error {
    Error::Value {
        option: option.to_owned(),
        value: redact_uri(value),
        origin: Box::new(origins.get(option).cloned().unwrap_or(Origin::Flag)),
        reason: reason.to_owned(),
        advice: None,
    }
}
