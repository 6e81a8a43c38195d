//! The server's half of SOCKS5 (RFC 1928), as far as clients need it to say where they want to go:
//! no authentication, the command CONNECT.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

const VERSION: u8 = 5;

/// The only way to authenticate that is offered.
const NO_AUTHENTICATION: u8 = 0;

/// Says that no way to authenticate is acceptable.
const NONE_ACCEPTABLE: u8 = 0xff;

const CONNECT: u8 = 1;

const RESERVED: u8 = 0;

const IPV4: u8 = 1;

const NAME: u8 = 3;

const IPV6: u8 = 4;

/// What a client is told of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// Everything from here on is passed on.
    Connected = 0,
    /// The target cannot be reached.
    Unreachable = 4,
    /// Only CONNECT is known.
    UnknownCommand = 7,
    /// Addresses are of IPv4, of IPv6 or names.
    UnknownAddress = 8,
}

/// Reads where a client wants to go, as `host:port`.
///
/// A client that asks for something else is told so, and ends as [`io::ErrorKind::InvalidData`].
pub async fn destination(client: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<String> {
    let [version, methods] = read(client).await?;
    check(version == VERSION, "not a client of SOCKS5")?;
    let mut offered = vec![0; usize::from(methods)];
    client.read_exact(&mut offered).await?;
    let open = offered.contains(&NO_AUTHENTICATION);
    let method = if open {
        NO_AUTHENTICATION
    } else {
        NONE_ACCEPTABLE
    };
    client.write_all(&[VERSION, method]).await?;
    check(open, "the client insists on authentication")?;

    let [version, command, _reserved, kind] = read(client).await?;
    check(version == VERSION, "not a client of SOCKS5")?;
    if command != CONNECT {
        reply(client, Reply::UnknownCommand).await?;
        return Err(invalid("only CONNECT is known"));
    }
    let host = match kind {
        IPV4 => Ipv4Addr::from(read::<4>(client).await?).to_string(),
        IPV6 => format!("[{}]", Ipv6Addr::from(read::<16>(client).await?)),
        NAME => name(client).await?,
        _ => {
            reply(client, Reply::UnknownAddress).await?;
            return Err(invalid("an address of an unknown kind"));
        }
    };
    let port = u16::from_be_bytes(read(client).await?);
    Ok(format!("{host}:{port}"))
}

/// Tells a client what became of its request.
pub async fn reply(client: &mut (impl AsyncWrite + Unpin), reply: Reply) -> io::Result<()> {
    // The address that the proxy connected from; nobody asks for it.
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
    let name = String::from_utf8(name).map_err(|_not_utf8| invalid("a name of unknown letters"))?;
    // A client may pass an address as a name.
    let bare = name.contains(':') && !name.starts_with('[');
    Ok(if bare { format!("[{name}]") } else { name })
}

async fn read<const N: usize>(client: &mut (impl AsyncRead + Unpin)) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    client.read_exact(&mut bytes).await?;
    Ok(bytes)
}

fn check(holds: bool, complaint: &'static str) -> io::Result<()> {
    if holds {
        Ok(())
    } else {
        Err(invalid(complaint))
    }
}

fn invalid(complaint: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, complaint)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a proxy says to a client that sends some bytes, and where it believes it is to go.
    async fn heard(sent: &[u8]) -> (Vec<u8>, io::Result<String>) {
        let (mut client, mut proxy) = tokio::io::duplex(1_024);
        client.write_all(sent).await.unwrap();
        client.shutdown().await.unwrap();
        let destination = destination(&mut proxy).await;
        drop(proxy);
        let mut said = Vec::new();
        client.read_to_end(&mut said).await.unwrap();
        (said, destination)
    }

    #[tokio::test]
    async fn every_kind_of_address_is_understood() {
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
            let (said, destination) = heard(&sent).await;
            assert_eq!(said, [5, 0]);
            assert_eq!(destination.unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn what_is_not_offered_is_refused_as_the_protocol_says() {
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
            let (said, destination) = heard(sent).await;
            assert_eq!(said, expected);
            assert_eq!(
                destination.unwrap_err().kind(),
                io::ErrorKind::InvalidData,
                "{sent:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_client_that_ends_early_is_no_destination() {
        let whole = b"\x05\x01\x00\x05\x01\x00\x03\x06broker\x23\x84";
        for end in 0..whole.len() {
            let (_, destination) = heard(&whole[..end]).await;
            assert!(destination.is_err(), "{end}");
        }
    }
}
