//! Addresses of brokers.

/// Host and port of a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address<'a> {
    /// Name or IP address, without brackets.
    pub host: &'a str,
    pub port: u16,
}

impl<'a> Address<'a> {
    /// Parses `HOST:PORT`; an IPv6 address may be in brackets.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let unbracketed = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let host = unbracketed.unwrap_or(host);
        let port = port.parse().ok()?;
        (!host.is_empty()).then_some(Self { host, port })
    }
}

/// Formats the address that a broker advertises.
pub fn format(host: &str, port: i32) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_both_kinds_of_ip_addresses_have_a_port() {
        for (text, host, port) in [
            ("broker.example:9092", "broker.example", 9092),
            ("127.0.0.1:1", "127.0.0.1", 1),
            ("[::1]:65535", "::1", 65535),
        ] {
            assert_eq!(Address::parse(text), Some(Address { host, port }));
            assert_eq!(format(host, i32::from(port)), text);
        }
        for text in ["", "broker", "broker:", ":9092", "broker:65536", "b:x"] {
            assert_eq!(Address::parse(text), None, "{text}");
        }
    }
}
