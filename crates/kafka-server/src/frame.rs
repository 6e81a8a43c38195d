//! Splits a byte stream into length-prefixed frames.
//!
//! Memory grows as bytes arrive: a length of 100 MB costs nothing until 100 MB have been sent.

#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

use std::io;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes of the length before each frame.
pub const LENGTH_BYTES: usize = 4;

/// Bytes of one read if the length of the frame is not known yet.
const READ_BYTES: usize = 64 * 1024;

/// A larger buffer is freed once it is empty.
const RETAINED_BYTES: usize = 8 * 1024 * 1024;

/// A length is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages describe variants and fields")]
pub enum Error {
    /// The length is negative or above the limit.
    #[error("frame length {length} is not between 0 and {limit}")]
    Length { length: i32, limit: usize },
}

/// The receiving side of a connection.
#[derive(Debug)]
pub struct Input {
    buffer: BytesMut,
    limit: usize,
    ended: bool,
}

impl Input {
    /// Starts empty; frames have up to `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            limit,
            ended: false,
        }
    }

    /// Returns the next frame without its length; `None` until it has arrived completely.
    pub fn next_frame(&mut self) -> Result<Option<BytesMut>, Error> {
        let Some(length) = self.frame_length()? else {
            return Ok(None);
        };
        if self.buffer.len() < length.saturating_add(LENGTH_BYTES) {
            return Ok(None);
        }
        self.buffer.advance(LENGTH_BYTES);
        Ok(Some(self.buffer.split_to(length)))
    }

    /// Takes back a processed frame, to reuse its memory for the next one.
    pub fn recycle(&mut self, mut frame: BytesMut) {
        if self.buffer.is_empty() && frame.capacity() <= RETAINED_BYTES {
            frame.unsplit(std::mem::take(&mut self.buffer));
            frame.clear();
            self.buffer = frame;
        }
    }

    /// Returns the bytes of the frame that has begun, with its length, if that has arrived.
    pub fn expected(&self) -> Option<usize> {
        let length = self.frame_length().ok()??;
        Some(length.saturating_add(LENGTH_BYTES))
    }

    /// Frees the memory that is kept for the next frame.
    pub fn release(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
    }

    /// Receives more bytes. Cancel safe: no bytes are lost.
    pub async fn fill<S: AsyncRead + Unpin>(&mut self, stream: &mut S) -> io::Result<()> {
        if self.buffer.is_empty() && self.buffer.capacity() > RETAINED_BYTES {
            self.buffer = BytesMut::new();
        }
        let missing = match self.frame_length() {
            Ok(Some(length)) => length
                .saturating_add(LENGTH_BYTES)
                .saturating_sub(self.buffer.len()),
            _ => 0,
        };
        let arrived = self.buffer.len().max(READ_BYTES);
        self.buffer.reserve(missing.clamp(READ_BYTES, arrived));
        let received = stream.read_buf(&mut self.buffer).await?;
        self.ended = received == 0;
        Ok(())
    }

    /// Sets the limit for the next frames.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Whether the peer has stopped sending.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Whether enough is buffered that reading ahead should pause.
    pub fn full(&self) -> bool {
        self.buffer.len() >= READ_BYTES
    }

    /// Whether the buffer holds an incomplete frame.
    pub fn torn(&self) -> bool {
        !self.buffer.is_empty()
    }

    fn frame_length(&self) -> Result<Option<usize>, Error> {
        let Some(prefix) = self.buffer.first_chunk() else {
            return Ok(None);
        };
        let length = i32::from_be_bytes(*prefix);
        usize::try_from(length)
            .ok()
            .filter(|length| *length <= self.limit)
            .map(Some)
            .ok_or(Error::Length {
                length,
                limit: self.limit,
            })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    async fn frames_of(chunks: Vec<Vec<u8>>, limit: usize) -> (Vec<Vec<u8>>, Option<Error>) {
        let mut input = Input::new(limit);
        let mut frames = Vec::new();
        for chunk in chunks {
            let mut stream = &chunk[..];
            while !stream.is_empty() {
                input.fill(&mut stream).await.unwrap();
            }
            loop {
                match input.next_frame() {
                    Ok(Some(frame)) => frames.push(frame.to_vec()),
                    Ok(None) => break,
                    Err(error) => return (frames, Some(error)),
                }
            }
        }
        (frames, None)
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(future)
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_and_reserves_nothing() {
        for length in [-1_i32, 101, i32::MAX] {
            let mut input = Input::new(100);
            block_on(input.fill(&mut &length.to_be_bytes()[..])).unwrap();
            assert_eq!(
                input.next_frame(),
                Err(Error::Length { length, limit: 100 })
            );
            assert!(input.buffer.capacity() <= 2 * READ_BYTES);
        }
    }

    #[test]
    fn the_buffer_grows_with_what_arrived_not_with_what_was_frame_length() {
        let mut input = Input::new(100_000_000);
        let mut bytes = 100_000_000_i32.to_be_bytes().to_vec();
        bytes.resize(1_000, 0);
        block_on(async {
            let mut stream = &bytes[..];
            while !stream.is_empty() {
                input.fill(&mut stream).await.unwrap();
            }
        });
        assert!(input.buffer.capacity() <= 4 * READ_BYTES);
    }

    #[test]
    fn a_frame_given_back_lends_its_memory_to_the_next() {
        let mut bytes = 500_000_i32.to_be_bytes().to_vec();
        bytes.resize(4 + 500_000, 7);
        let mut input = Input::new(1_000_000);
        let mut memory = Vec::new();
        for _ in 0..5 {
            let mut stream = &bytes[..];
            while !stream.is_empty() {
                block_on(input.fill(&mut stream)).unwrap();
            }
            let frame = input.next_frame().unwrap().unwrap();
            memory.push(frame.as_ptr() as usize);
            input.recycle(frame);
        }
        // The length before each frame moves it on by four bytes.
        assert!(memory[4] - memory[0] <= 16, "{memory:?}");
    }

    proptest! {
        #[test]
        fn frames_arrive_whole_however_the_stream_is_cut(
            bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..8),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let mut bytes = Vec::new();
            for body in &bodies {
                bytes.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
                bytes.extend(body);
            }
            let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            ends.push(bytes.len());
            ends.sort_unstable();
            let mut from = 0;
            let chunks = ends.into_iter().map(|end| bytes[std::mem::replace(&mut from, end)..end].to_vec());
            let (frames, error) = block_on(frames_of(chunks.collect(), 64));
            prop_assert_eq!(error, None);
            prop_assert_eq!(frames, bodies);
        }
    }
}
