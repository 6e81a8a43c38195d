//! Where the live page is served.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::str::FromStr;

use crate::web::error::Error;

/// Port of the page if none is given.
const PORT: u16 = 5665;

/// Host and port of the page. The default is a fixed port of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebAddress {
    host: String,
    port: u16,
}

impl Default for WebAddress {
    fn default() -> Self {
        Self {
            host: Ipv4Addr::LOCALHOST.to_string(),
            port: PORT,
        }
    }
}

impl FromStr for WebAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const EXPECTED: &str = "expected `HOST:PORT` or `PORT`, such as `127.0.0.1:5665` or `0`";
        let default = Self::default();
        let port = |text: &str| text.parse().map_err(|_| EXPECTED.to_owned());
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self {
                host: address.ip().to_string(),
                port: address.port(),
            });
        }
        let (host, port) = match text.rsplit_once(':') {
            None if text.bytes().all(|it| it.is_ascii_digit()) => (default.host, port(text)?),
            None => (text.to_owned(), PORT),
            Some(("", digits)) => (default.host, port(digits)?),
            Some((host, digits)) => (host.to_owned(), port(digits)?),
        };
        let legal = |symbol: char| symbol.is_ascii_alphanumeric() || "-._".contains(symbol);
        if host.is_empty() || !host.chars().all(legal) {
            return Err(EXPECTED.to_owned());
        }
        Ok(Self { host, port })
    }
}

impl fmt::Display for WebAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(formatter, "[{}]:{}", self.host, self.port)
        } else {
            write!(formatter, "{}:{}", self.host, self.port)
        }
    }
}

impl WebAddress {
    /// Returns the host as it was given.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Returns whether only programs on this machine can connect.
    pub fn is_loopback(&self) -> bool {
        let address = self.host.parse::<IpAddr>();
        address.map_or(self.host == "localhost", |it| it.is_loopback())
    }

    /// Looks the host up.
    pub(super) fn resolve(&self) -> Result<SocketAddr, Error> {
        let found = (self.host.as_str(), self.port).to_socket_addrs();
        let found = found.and_then(|mut found| {
            let none = || std::io::Error::other("the host has no address");
            found.next().ok_or_else(none)
        });
        found.map_err(|source| Error::Resolve {
            host: self.host.clone(),
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_a_port_a_host_or_both() {
        let expected = [
            ("5000", "127.0.0.1:5000", true),
            ("0", "127.0.0.1:0", true),
            (":7000", "127.0.0.1:7000", true),
            ("localhost", "localhost:5665", true),
            ("localhost:1", "localhost:1", true),
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("[::1]:80", "[::1]:80", true),
            ("0.0.0.0:5665", "0.0.0.0:5665", false),
            ("[::]:5665", "[::]:5665", false),
            ("192.168.1.7", "192.168.1.7:5665", false),
            ("ci.example.org:99", "ci.example.org:99", false),
        ];
        for (text, shown, loopback) in expected {
            let address: WebAddress = text.parse().expect(text);
            assert_eq!(address.to_string(), shown, "{text}");
            assert_eq!(address.is_loopback(), loopback, "{text}");
        }
        assert_eq!(WebAddress::default().to_string(), "127.0.0.1:5665");
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            ":",
            "65536",
            "host:",
            "host:x",
            "http://host",
            "a b:1",
            "[::1]",
            "-:-",
            "host:99999",
        ] {
            assert!(text.parse::<WebAddress>().is_err(), "{text}");
        }
    }
}
