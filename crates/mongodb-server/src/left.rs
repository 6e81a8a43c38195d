//! Whether a running command should end early.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt as _};

const RUNNING: u8 = 0;
const LEFT: u8 = 1;
const KILLED: u8 = 2;

/// Tells the commands of a connection that its client has left, or that one was killed.
#[derive(Debug, Clone, Default)]
pub struct Left {
    state: Arc<AtomicU8>,
    /// Whether the command goes on without its client.
    patient: bool,
}

impl Left {
    /// The client has left.
    pub fn set(&self) {
        self.state.store(LEFT, Ordering::Relaxed);
    }

    /// Returns whether the client has left and the command ends without it.
    pub fn is_set(&self) -> bool {
        !self.patient && self.state.load(Ordering::Relaxed) == LEFT
    }

    /// The running command was killed. Once the client has left, this has no effect.
    pub fn kill(&self) {
        let (from, to) = (RUNNING, KILLED);
        let _unless_left =
            self.state
                .compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Returns whether the running command was killed.
    pub fn is_killed(&self) -> bool {
        self.state.load(Ordering::Relaxed) == KILLED
    }

    /// The command that was killed has ended.
    pub fn forget_kill(&self) {
        let (from, to) = (KILLED, RUNNING);
        let _unless_left =
            self.state
                .compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Returns the same for a command that goes on without its client, such as a write.
    #[must_use]
    pub fn patient(&self) -> Self {
        Self {
            state: Arc::clone(&self.state),
            patient: true,
        }
    }
}

/// Waits until the client leaves. The first byte of its next frame, which may come before the reply, is
/// kept in `early`.
pub async fn client_leaves(stream: &mut (impl AsyncRead + Unpin), early: &mut Option<u8>) {
    if early.is_none() {
        let mut byte = [0];
        match stream.read(&mut byte).await {
            Ok(1..) => *early = Some(byte[0]),
            Ok(0) | Err(_) => return,
        }
    }
    std::future::pending::<()>().await;
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test]
    async fn client_that_closes_its_connection_has_left() {
        let (client, mut server) = tokio::io::duplex(64);
        let mut early = None;
        drop(client);
        client_leaves(&mut server, &mut early).await;
        assert_eq!(early, None);
    }

    #[tokio::test]
    async fn first_byte_of_the_next_frame_is_kept() {
        let (mut client, mut server) = tokio::io::duplex(64);
        client.write_all(&[7, 8]).await.unwrap();
        let mut early = None;
        tokio::select! {
            biased;
            () = client_leaves(&mut server, &mut early) => panic!("the client has not left"),
            () = tokio::task::yield_now() => {}
        }
        assert_eq!(early, Some(7));
        assert_eq!(server.read_u8().await.unwrap(), 8);
    }

    #[test]
    fn kill_ends_one_command_and_departure_all_that_need_their_client() {
        let left = Left::default();
        let write = left.patient();
        left.kill();
        assert!(left.is_killed() && write.is_killed() && !left.is_set());
        left.forget_kill();
        assert!(!left.is_killed());
        left.set();
        left.kill();
        assert!(left.is_set() && !write.is_set() && !left.is_killed());
    }
}
