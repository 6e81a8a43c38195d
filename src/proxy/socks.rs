//! Server side of SOCKS5 (RFC 1928): the command CONNECT, without authentication.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

const VERSION: u8 = 5;

/// Method "no authentication required", the only supported one.
const NO_AUTHENTICATION: u8 = 0;

/// Reply "no acceptable methods".
const NONE_ACCEPTABLE: u8 = 0xff;

const CONNECT: u8 = 1;

const RESERVED: u8 = 0;

const IPV4: u8 = 1;

const NAME: u8 = 3;

const IPV6: u8 = 4;

/// Reply to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// The connection is established.
    Connected = 0,
    /// The destination cannot be reached.
    Unreachable = 4,
    /// The command is not CONNECT.
    UnknownCommand = 7,
    /// The address is not IPv4, IPv6 or a name.
    UnknownAddress = 8,
}

/// Reads the destination of a client, as `host:port`.
///
/// Replies to a client that requests anything else, and returns [`io::ErrorKind::InvalidData`].
pub async fn destination(client: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<String> {
    let [version, methods] = read(client).await?;
    check(version == VERSION, "not a SOCKS5 client")?;
    let mut offered = vec![0; usize::from(methods)];
    client.read_exact(&mut offered).await?;
    let open = offered.contains(&NO_AUTHENTICATION);
    let method = if open {
        NO_AUTHENTICATION
    } else {
        NONE_ACCEPTABLE
    };
    client.write_all(&[VERSION, method]).await?;
    check(open, "the client requires authentication")?;

    let [version, command, _reserved, kind] = read(client).await?;
    check(version == VERSION, "not a SOCKS5 client")?;
    if command != CONNECT {
        reply(client, Reply::UnknownCommand).await?;
        return Err(invalid("unsupported command (expected CONNECT)"));
    }
    let host = match kind {
        IPV4 => Ipv4Addr::from(read::<4>(client).await?).to_string(),
        IPV6 => format!("[{}]", Ipv6Addr::from(read::<16>(client).await?)),
        NAME => name(client).await?,
        _ => {
            reply(client, Reply::UnknownAddress).await?;
            return Err(invalid("unsupported type of address"));
        }
    };
    let port = u16::from_be_bytes(read(client).await?);
    Ok(format!("{host}:{port}"))
}

/// Sends the reply to a request.
pub async fn reply(client: &mut (impl AsyncWrite + Unpin), reply: Reply) -> io::Result<()> {
    // The address that the proxy connected from, which clients ignore.
    let bound = [0; 4 + 2];
    client
        .write_all(&[VERSION, reply as u8, RESERVED, IPV4])
        .await?;
    client.write_all(&bound).await
}

async fn name(client: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
    let [length] = read(client).await?;
    let mut name = vec![0; usize::from(length)];
    client.read_exact(&mut name).await?;
    let name = String::from_utf8(name).map_err(|_not_utf8| invalid("the name is not UTF-8"))?;
    // A client may send an IPv6 address as a name.
    let ipv6 = name.contains(':') && !name.starts_with('[');
    Ok(if ipv6 { format!("[{name}]") } else { name })
}

async fn read<const N: usize>(client: &mut (impl AsyncRead + Unpin)) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    client.read_exact(&mut bytes).await?;
    Ok(bytes)
}

fn check(holds: bool, message: &'static str) -> io::Result<()> {
    if holds { Ok(()) } else { Err(invalid(message)) }
}

fn invalid(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns what a proxy sends to a client that sends these bytes, and the destination it reads.
    async fn handshake(sent: &[u8]) -> (Vec<u8>, io::Result<String>) {
        let (mut client, mut proxy) = tokio::io::duplex(1_024);
        client.write_all(sent).await.unwrap();
        client.shutdown().await.unwrap();
        let destination = destination(&mut proxy).await;
        drop(proxy);
        let mut reply = Vec::new();
        client.read_to_end(&mut reply).await.unwrap();
        (reply, destination)
    }

    #[tokio::test]
    async fn every_type_of_address_is_parsed() {
        let cases: [(&[u8], &str); 4] = [
            (&[1, 127, 0, 0, 1, 0x23, 0x84], "127.0.0.1:9092"),
            (b"\x03\x06broker\x23\x84", "broker:9092"),
            (b"\x03\x03::1\x23\x84", "[::1]:9092"),
            (
                &[
                    4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x69, 0x89,
                ],
                "[::1]:27017",
            ),
        ];
        for (address, expected) in cases {
            let sent = [&[5, 2, 2, 0, 5, 1, 0], address].concat();
            let (reply, destination) = handshake(&sent).await;
            assert_eq!(reply, [5, 0]);
            assert_eq!(destination.unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn unsupported_requests_get_the_protocols_error_replies() {
        let cases: [(&[u8], &[u8]); 4] = [
            (&[4, 1, 0], &[]),
            (&[5, 1, 2], &[5, 0xff]),
            (
                &[5, 1, 0, 5, 2, 0, 1],
                &[5, 0, 5, 7, 0, 1, 0, 0, 0, 0, 0, 0],
            ),
            (
                &[5, 1, 0, 5, 1, 0, 9],
                &[5, 0, 5, 8, 0, 1, 0, 0, 0, 0, 0, 0],
            ),
        ];
        for (sent, expected) in cases {
            let (reply, destination) = handshake(sent).await;
            assert_eq!(reply, expected);
            assert_eq!(
                destination.unwrap_err().kind(),
                io::ErrorKind::InvalidData,
                "{sent:?}"
            );
        }
    }

    #[tokio::test]
    async fn truncated_request_is_an_error() {
        let whole = b"\x05\x01\x00\x05\x01\x00\x03\x06broker\x23\x84";
        for end in 0..whole.len() {
            let (_, destination) = handshake(&whole[..end]).await;
            assert!(destination.is_err(), "{end}");
        }
    }
}
