//! Switches Nagle's algorithm off on sockets that a library opened and keeps to itself.
//!
//! rskafka writes a request of more than 8 KB as its length and then its body, on a socket with
//! Nagle's algorithm on. The body then waits for the other side's delayed acknowledgement of the
//! four bytes before it: 40 ms that would be measured as the broker's latency.

use std::fs;
use std::io;

use rustix::net::sockopt::set_tcp_nodelay;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

/// Makes every TCP socket of this process send at once.
///
/// Works on duplicates of the descriptors, which share the socket's options with the original;
/// what is no TCP socket refuses the option and stays as it is. Fails where the kernel does not
/// duplicate descriptors (Linux before 5.6, or a sandbox that forbids it).
pub fn send_at_once() -> io::Result<()> {
    let this_process = pidfd_open(getpid(), PidfdFlags::empty())?;
    for entry in fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        let Some(number) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let is_socket = fs::read_link(format!("/proc/self/fd/{number}"))
            .is_ok_and(|target| target.to_string_lossy().starts_with("socket:"));
        if is_socket {
            match pidfd_getfd(&this_process, number, PidfdGetfdFlags::empty()) {
                Ok(socket) => set_tcp_nodelay(&socket, true).unwrap_or_default(),
                // It was closed in between.
                Err(rustix::io::Errno::BADF) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn an_open_connection_no_longer_waits() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(!stream.nodelay().unwrap());
        send_at_once().unwrap();
        assert!(stream.nodelay().unwrap());
    }
}
