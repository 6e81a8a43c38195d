//! The way to servers that are not embedded, through proxies that fail on purpose.
//!
//! Clients tell a SOCKS5 proxy where they want to go, so that whatever a cluster says of its
//! members is reached through it too, and encryption reaches from end to end.

use std::net::SocketAddr;
use std::sync::Arc;

use convoy_server_kit::SecretUri;

use crate::error::Error;
use crate::faults::Target;
use crate::host::faults::Injector;
use crate::host::faults::points::ProxiedServer;
use crate::host::roles::{Role, Runtimes};
use crate::pipeline::Endpoints;
use crate::proxy::Proxy;
use crate::report::BackendKind;

/// Puts proxies before the servers in which something is to go wrong that only a proxy can do.
///
/// Returns them; the endpoints lead through them from then on.
pub async fn through_proxies(
    injector: &Injector,
    endpoints: &mut Endpoints,
    [broker, store]: [BackendKind; 2],
    runtimes: &Runtimes,
) -> Result<Vec<Proxy>, Error> {
    let mut proxies = Vec::new();
    for (target, role, kind) in [
        (Target::Broker, Role::Broker, broker),
        (Target::Store, Role::Store, store),
    ] {
        if kind == BackendKind::Embedded || !injector.plan().concerns(target) {
            continue;
        }
        let points = Arc::clone(&injector.points);
        let starting = Proxy::start(Arc::new(ProxiedServer { points, target }));
        let started = runtimes.handle(role).spawn(starting).await;
        let proxy = started.map_err(|_panicked| Error::Bug("the fault proxy panicked"))??;
        match target {
            Target::Broker => endpoints.broker.socks_proxy = Some(proxy.address()),
            Target::Store => endpoints.store = detour(&endpoints.store, proxy.address()),
        }
        proxies.push(proxy);
    }
    Ok(proxies)
}

/// Returns the address with the way to it.
fn detour(uri: &SecretUri, proxy: SocketAddr) -> SecretUri {
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
    fn a_detour_keeps_the_address_and_adds_the_way() {
        let proxy = SocketAddr::from(([127, 0, 0, 1], 4_000));
        for (uri, joined) in [
            ("mongodb://a", "mongodb://a/?"),
            ("mongodb://u:p@a:1,b/", "mongodb://u:p@a:1,b/?"),
            ("mongodb://a?w=1", "mongodb://a?w=1&"),
            ("mongodb://a/db?tls=true", "mongodb://a/db?tls=true&"),
            ("mongodb+srv://u:p@a/?", "mongodb+srv://u:p@a/?"),
        ] {
            let expected = format!("{joined}proxyHost=127.0.0.1&proxyPort=4000");
            assert_eq!(detour(&SecretUri::new(uri), proxy).reveal(), expected);
        }
    }
}
