//! Chunks of timers, chained to the slots of all levels.

use crate::load::wheel::timer::Timer;

/// Ends a chain of chunks.
pub(super) const NO_CHUNK: u32 = u32::MAX;

/// Timers of a chunk: enough to hide the step to the next one, few enough for a slot of one timer.
const CHUNK: usize = 32;

/// The chunks of all slots.
#[derive(Debug)]
pub(super) struct Chunks {
    chunks: Vec<Chunk>,
    /// The first chunk that no slot uses.
    free: u32,
}

/// Some timers of a slot, one array per attribute so that no byte is padding.
#[derive(Debug, Clone)]
struct Chunk {
    dues: [u64; CHUNK],
    fired: [u64; CHUNK],
    numbers: [u32; CHUNK],
    len: u32,
    next: u32,
}

impl Default for Chunks {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            free: NO_CHUNK,
        }
    }
}

impl Chunks {
    /// Adds a timer to the chain that starts at `first`.
    #[inline]
    pub(super) fn push(&mut self, first: &mut u32, timer: Timer) {
        if *first == NO_CHUNK || self.len(*first) == CHUNK {
            *first = self.allocate(*first);
        }
        let chunk = &mut self.chunks[*first as usize];
        let index = chunk.len as usize;
        chunk.dues[index] = timer.due;
        chunk.fired[index] = timer.fired;
        chunk.numbers[index] = timer.number;
        chunk.len += 1;
    }

    #[inline]
    pub(super) fn len(&self, chunk: u32) -> usize {
        self.chunks[chunk as usize].len as usize
    }

    #[inline]
    pub(super) fn get(&self, chunk: u32, index: usize) -> Timer {
        let chunk = &self.chunks[chunk as usize];
        Timer {
            due: chunk.dues[index],
            number: chunk.numbers[index],
            fired: chunk.fired[index],
        }
    }

    /// Frees a chunk and returns the next one of its chain.
    #[inline]
    pub(super) fn free(&mut self, chunk: u32) -> u32 {
        let state = &mut self.chunks[chunk as usize];
        let next = std::mem::replace(&mut state.next, self.free);
        self.free = chunk;
        next
    }

    /// Returns an empty chunk that is followed by `next`.
    fn allocate(&mut self, next: u32) -> u32 {
        if self.free == NO_CHUNK {
            let number = u32::try_from(self.chunks.len()).expect("2^32 chunks are 2 TiB");
            self.chunks.push(Chunk {
                dues: [0; CHUNK],
                fired: [0; CHUNK],
                numbers: [0; CHUNK],
                len: 0,
                next,
            });
            return number;
        }
        let number = self.free;
        let chunk = &mut self.chunks[number as usize];
        self.free = std::mem::replace(&mut chunk.next, next);
        chunk.len = 0;
        number
    }
}

#[cfg(test)]
impl Chunks {
    /// Returns the bytes of all chunks, used or free.
    pub(super) fn bytes(&self) -> usize {
        self.chunks.len() * size_of::<Chunk>()
    }
}
