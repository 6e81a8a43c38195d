//! The way to a store through a proxy that fails on purpose.

use std::net::SocketAddr;
use std::sync::Arc;

use super::Injector;
use crate::command::roles::{Role, Runtimes};
use crate::error::Error;
use crate::faults::Target;
use crate::net::SecretUri;
use crate::net::proxy::{Mishaps, Proxy};

/// Port of a store whose address has none.
const PORT: u16 = 27_017;

/// Puts a proxy before a store in which something is to go wrong that only a proxy can do.
///
/// Returns it with the address that leads through it; nothing where none is needed or possible.
pub async fn through_proxy(
    injector: &Injector,
    uri: &SecretUri,
    runtimes: &Runtimes,
) -> Result<Option<(Proxy, SecretUri)>, Error> {
    let Some(target) = target(uri).filter(|_| injector.plan().concerns(Target::Store)) else {
        return Ok(None);
    };
    let mishaps = Arc::clone(&injector.points) as Arc<dyn Mishaps>;
    let starting = runtimes
        .handle(Role::Store)
        .spawn(Proxy::start(target, mishaps));
    let started = starting.await;
    let proxy = started.map_err(|_panicked| Error::Bug("the fault proxy panicked"))??;
    let detour = detour(uri, proxy.address());
    Ok(detour.map(|detour| (proxy, detour)))
}

/// Returns `host:port` of a store that a proxy can stand before: one host, not encrypted, because
/// the proxy's name is in no certificate.
pub fn target(uri: &SecretUri) -> Option<String> {
    let parts = Parts::of(uri.reveal())?;
    let encrypted = parts.rest.to_ascii_lowercase();
    let encrypted = ["tls=true", "ssl=true"]
        .iter()
        .any(|it| encrypted.contains(it));
    if encrypted || parts.host.contains(',') || parts.host.is_empty() {
        return None;
    }
    let bare = parts.host.rsplit(']').next().unwrap_or_default();
    if bare.contains(':') {
        Some(parts.host.to_owned())
    } else {
        Some(format!("{}:{PORT}", parts.host))
    }
}

/// Returns the address with another host, to which the driver keeps whatever the server tells it.
fn detour(uri: &SecretUri, proxy: SocketAddr) -> Option<SecretUri> {
    let Parts { user, rest, .. } = Parts::of(uri.reveal())?;
    let direct = "directConnection=true";
    let rest = match rest {
        it if it.to_ascii_lowercase().contains("directconnection=") => it.to_owned(),
        "" => format!("/?{direct}"),
        it if it.contains('?') => format!("{it}&{direct}"),
        it => format!("{it}?{direct}"),
    };
    Some(SecretUri::new(format!("mongodb://{user}{proxy}{rest}")))
}

/// An address, taken apart.
struct Parts<'a> {
    /// User and password with their `@`, or nothing.
    user: &'a str,
    host: &'a str,
    /// From the first `/` or `?` behind the host on.
    rest: &'a str,
}

impl<'a> Parts<'a> {
    fn of(uri: &'a str) -> Option<Self> {
        let address = uri.strip_prefix("mongodb://")?;
        let end = address.find(['/', '?']).unwrap_or(address.len());
        let (authority, rest) = address.split_at(end);
        let host = authority.rfind('@').map_or(0, |at| at + 1);
        let (user, host) = authority.split_at(host);
        Some(Self { user, host, rest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn led(uri: &str) -> Option<(String, String)> {
        let uri = SecretUri::new(uri);
        let proxy = SocketAddr::from(([127, 0, 0, 1], 4_000));
        let detour = detour(&uri, proxy)?;
        Some((target(&uri)?, detour.reveal().to_owned()))
    }

    #[test]
    fn a_detour_keeps_everything_but_the_host() {
        let direct = "directConnection=true";
        for (uri, host, detour) in [
            (
                "mongodb://a",
                "a:27017",
                format!("mongodb://127.0.0.1:4000/?{direct}"),
            ),
            (
                "mongodb://u:p@a:1/db?w=1",
                "a:1",
                format!("mongodb://u:p@127.0.0.1:4000/db?w=1&{direct}"),
            ),
            (
                "mongodb://[::1]:9/?directConnection=true",
                "[::1]:9",
                format!("mongodb://127.0.0.1:4000/?{direct}"),
            ),
            (
                "mongodb://[::1]/db",
                "[::1]:27017",
                format!("mongodb://127.0.0.1:4000/db?{direct}"),
            ),
        ] {
            assert_eq!(led(uri), Some((host.to_owned(), detour)), "{uri}");
        }
    }

    #[test]
    fn several_hosts_encryption_and_discovery_have_no_detour() {
        for uri in [
            "mongodb://a,b",
            "mongodb+srv://a",
            "mongodb://a/?tls=true",
            "mongodb://a/?SSL=true",
        ] {
            assert_eq!(led(uri), None, "{uri}");
        }
    }
}
