//! Proxies that inject faults into servers that are not embedded.
//!
//! They are SOCKS5 proxies: clients name the server they connect to. So the other nodes of a cluster
//! are reached through them too, and TLS stays end to end.

use std::net::SocketAddr;
use std::sync::Arc;

use convoy_server_kit::SecretUri;

use crate::error::Error;
use crate::faults::Target;
use crate::host::fault_switch::{FaultSwitch, ProxiedServer};
use crate::host::roles::{Role, Runtimes};
use crate::pipeline::Endpoints;
use crate::proxy::Proxy;
use crate::report::BackendKind;

/// Starts a proxy for each server with planned faults that is not embedded, and changes the endpoints
/// to lead through it.
pub(super) async fn insert(
    switch: &Arc<FaultSwitch>,
    endpoints: &mut Endpoints,
    [broker, store]: [BackendKind; 2],
    runtimes: &Runtimes,
) -> Result<Vec<Proxy>, Error> {
    let mut proxies = Vec::new();
    for (target, role, kind) in [
        (Target::Broker, Role::Broker, broker),
        (Target::Store, Role::Store, store),
    ] {
        if kind == BackendKind::Embedded || !switch.concerns(target) {
            continue;
        }
        let switch = Arc::clone(switch);
        let starting = Proxy::start(Arc::new(ProxiedServer { switch, target }));
        let started = runtimes.handle(role).spawn(starting).await;
        let proxy = started.map_err(|_panicked| Error::Bug("the fault proxy panicked"))??;
        match target {
            Target::Broker => endpoints.broker.socks_proxy = Some(proxy.address()),
            Target::Store => endpoints.store = with_proxy(&endpoints.store, proxy.address()),
        }
        proxies.push(proxy);
    }
    Ok(proxies)
}

/// Returns the URI with the driver's options for a SOCKS5 proxy.
fn with_proxy(uri: &SecretUri, proxy: SocketAddr) -> SecretUri {
    let uri = uri.reveal();
    let authority = uri.find("://").map_or(0, |at| at + "://".len());
    let path = uri[authority..].find(['/', '?']);
    let separator = match path {
        None => "/?",
        Some(_) if uri.ends_with(['?', '&']) => "",
        Some(path) if uri[authority + path..].contains('?') => "&",
        Some(_) => "?",
    };
    let (host, port) = (proxy.ip(), proxy.port());
    SecretUri::new(format!("{uri}{separator}proxyHost={host}&proxyPort={port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxy_options_are_appended_to_the_uri() {
        let proxy = SocketAddr::from(([127, 0, 0, 1], 4_000));
        for (uri, joined) in [
            ("mongodb://a", "mongodb://a/?"),
            ("mongodb://u:p@a:1,b/", "mongodb://u:p@a:1,b/?"),
            ("mongodb://a?w=1", "mongodb://a?w=1&"),
            ("mongodb://a/db?tls=true", "mongodb://a/db?tls=true&"),
            ("mongodb+srv://u:p@a/?", "mongodb+srv://u:p@a/?"),
        ] {
            let expected = format!("{joined}proxyHost=127.0.0.1&proxyPort=4000");
            assert_eq!(with_proxy(&SecretUri::new(uri), proxy).reveal(), expected);
        }
    }
}
