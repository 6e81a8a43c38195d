//! Memory that the large frames of all connections share.
//!
//! A frame waits for its share before it is received. While others wait, frames that do not move on
//! lose their connection, so that clients that begin messages and leave them cannot keep the memory.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::clock::RunClock;

/// Bytes of one part: the semaphore counts in 32 bits.
const PART_BYTES: usize = 1024;

/// How long a frame may stand still while others wait.
const STALL: Duration = Duration::from_secs(2);

/// How often a frame that waits looks for stalled ones.
const CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// Limit on a frame's wait for its share.
const WAIT: Duration = Duration::from_secs(60);

/// The memory of all large frames.
#[derive(Debug)]
pub struct FrameMemory {
    parts: Arc<Semaphore>,
    shares: Mutex<BTreeMap<u64, Arc<Transfer>>>,
    last: AtomicU64,
    clock: RunClock,
}

/// The state of a frame on its way.
#[derive(Debug)]
struct Transfer {
    /// Nanoseconds on the clock of the memory.
    moved: AtomicU64,
    /// Whether it has arrived, so that it does not count as stalled.
    complete: AtomicBool,
    evicted: CancellationToken,
}

/// The memory of one frame, freed when dropped.
#[derive(Debug)]
pub struct Share {
    memory: Arc<FrameMemory>,
    transfer: Arc<Transfer>,
    number: u64,
    _permit: OwnedSemaphorePermit,
}

/// Too much memory was in use for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("waited {} s for memory that the frames of all connections share", WAIT.as_secs())]
pub struct Exhausted;

impl FrameMemory {
    /// A frame of at most this many bytes needs no share.
    pub const SMALL: usize = 64 * 1024;

    /// Returns memory that no frame uses.
    pub fn new(bytes: usize) -> Arc<Self> {
        let parts = bytes / PART_BYTES;
        Arc::new(Self {
            parts: Arc::new(Semaphore::new(parts)),
            shares: Mutex::default(),
            last: AtomicU64::new(0),
            clock: RunClock::start(),
        })
    }

    /// Waits for the share of a frame; a small frame needs none. Frames that stand still lose theirs
    /// meanwhile.
    pub async fn reserve(self: &Arc<Self>, bytes: usize) -> Result<Option<Share>, Exhausted> {
        if bytes <= Self::SMALL {
            return Ok(None);
        }
        let parts = u32::try_from(bytes.div_ceil(PART_BYTES)).unwrap_or(u32::MAX);
        let mut acquired = pin!(Arc::clone(&self.parts).acquire_many_owned(parts));
        let mut waited = Duration::ZERO;
        let permit = loop {
            tokio::select! {
                biased;
                permit = &mut acquired => break permit.map_err(|_closed| Exhausted)?,
                () = tokio::time::sleep(CHECK_INTERVAL) => self.evict_stalled(),
            }
            waited += CHECK_INTERVAL;
            if waited >= WAIT {
                return Err(Exhausted);
            }
        };
        Ok(Some(self.share(permit)))
    }

    fn share(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Share {
        let transfer = Arc::new(Transfer {
            moved: AtomicU64::new(self.clock.now()),
            complete: AtomicBool::new(false),
            evicted: CancellationToken::new(),
        });
        let number = self.last.fetch_add(1, Ordering::Relaxed);
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        shares.insert(number, Arc::clone(&transfer));
        Share {
            memory: Arc::clone(self),
            transfer,
            number,
            _permit: permit,
        }
    }

    fn evict_stalled(&self) {
        let now = self.clock.now();
        let shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        for transfer in shares.values() {
            let still = now.saturating_sub(transfer.moved.load(Ordering::Relaxed));
            if Duration::from_nanos(still) >= STALL && !transfer.complete.load(Ordering::Relaxed) {
                transfer.evicted.cancel();
            }
        }
    }
}

impl Share {
    /// Notes that bytes of the frame were received or sent.
    pub fn moved(&self) {
        let now = self.memory.clock.now();
        self.transfer.moved.store(now, Ordering::Relaxed);
    }

    /// Notes that the frame has arrived.
    pub fn completed(&self) {
        self.transfer.complete.store(true, Ordering::Relaxed);
    }

    /// Waits until the frame must give up its memory: the connection must be closed.
    pub async fn evicted(&self) {
        self.transfer.evicted.cancelled().await;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let shares = self.memory.shares.lock();
        let mut shares = shares.unwrap_or_else(PoisonError::into_inner);
        shares.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: usize = 2 * FrameMemory::SMALL;

    #[tokio::test]
    async fn small_frames_need_no_share() {
        let memory = FrameMemory::new(0);
        assert!(memory.reserve(FrameMemory::SMALL).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn stalled_frame_makes_room_for_the_one_that_waits() {
        let memory = FrameMemory::new(2 * FRAME);
        let reserve = async || memory.reserve(FRAME).await.unwrap().unwrap();
        let (stalled, arrived) = (reserve().await, reserve().await);
        arrived.completed();
        let waiting = tokio::spawn({
            let memory = Arc::clone(&memory);
            async move { memory.reserve(FRAME).await.map(|share| share.is_some()) }
        });
        stalled.evicted().await;
        assert!(!arrived.transfer.evicted.is_cancelled());
        drop(stalled);
        assert_eq!(waiting.await.unwrap(), Ok(true));
    }
}
