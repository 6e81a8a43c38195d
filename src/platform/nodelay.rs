//! Turns Nagle's algorithm off on sockets that a library opens and does not expose.
//!
//! rskafka writes a request of more than 8 KB in two writes, its length and its body, on a socket with
//! Nagle's algorithm, and offers no way to configure the socket. The body then waits for the delayed
//! acknowledgement of the length: 40 ms on Linux for requests of up to 64 KB, which would be measured
//! as latency of the broker: with batches of 29 KB the median publish latency is 31 ms without
//! Nagle's algorithm and 72 ms with it (400 records/s, `--linger 50ms`). This can go when rskafka sets `TCP_NODELAY` itself.

use std::io;

/// Sets `TCP_NODELAY` on every connected TCP socket of this process that lacks it.
///
/// Servers and other clients of this program set it on their own sockets, so only those of rskafka
/// change. Fails on platforms other than Linux, before Linux 5.6, and in sandboxes that forbid it.
pub fn send_at_once() -> io::Result<()> {
    imp::send_at_once()
}

#[cfg(target_os = "linux")]
mod imp {
    use std::fs;
    use std::io;

    use rustix::io::Errno;
    use rustix::net::getpeername;
    use rustix::net::sockopt::{set_tcp_nodelay, tcp_nodelay};
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

    /// Works on duplicates of the descriptors, which share the options of the socket.
    pub(super) fn send_at_once() -> io::Result<()> {
        let this_process = pidfd_open(getpid(), PidfdFlags::empty())?;
        for entry in fs::read_dir("/proc/self/fd")? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(number) = name.to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let is_socket = fs::read_link(entry.path())
                .is_ok_and(|target| target.to_string_lossy().starts_with("socket:"));
            if !is_socket {
                continue;
            }
            let socket = match pidfd_getfd(&this_process, number, PidfdGetfdFlags::empty()) {
                Ok(socket) => socket,
                // It was closed in the meantime.
                Err(Errno::BADF) => continue,
                Err(error) => return Err(error.into()),
            };
            // Sockets other than TCP do not have the option.
            if getpeername(&socket).is_ok() && tcp_nodelay(&socket) == Ok(false) {
                set_tcp_nodelay(&socket, true)?;
            }
        }
        Ok(())
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use std::io;

    pub(super) fn send_at_once() -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn open_connection_sends_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(!stream.nodelay().unwrap());
        send_at_once().unwrap();
        assert!(stream.nodelay().unwrap());
    }
}
