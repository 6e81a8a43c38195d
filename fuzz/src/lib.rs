//! Runs a decoder of [`convoy::fuzz::targets`] under libFuzzer.

mod document;

use std::alloc::System;
use std::cell::RefCell;

use cap::Cap;
use convoy::fuzz::targets;
use convoy_server_kit::fuzz::{Feed, Target};

#[doc(hidden)]
pub use libfuzzer_sys;

/// Heap limit of a decoder. An allocation beyond it fails and ends the process, which makes the input
/// a finding.
const HEAP_BYTES: usize = 512 << 20;

/// One of this many documents keeps its inconsistent lengths.
const UNREPAIRED: u32 = 8;

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, HEAP_BYTES);

/// Defines the fuzz target with a name.
#[macro_export]
macro_rules! fuzz {
    ($name:literal) => {
        use $crate::libfuzzer_sys;

        libfuzzer_sys::fuzz_target!(|bytes: &[u8]| $crate::feed($name, bytes));
        libfuzzer_sys::fuzz_mutator!(|bytes: &mut [u8],
                                      size: usize,
                                      max_size: usize,
                                      seed: u32| {
            $crate::mutate($name, bytes, size, max_size, seed)
        });
    };
}

/// Decodes an input with the named target; the first input starts the target.
pub fn feed(name: &str, bytes: &[u8]) {
    thread_local! {
        static FEED: RefCell<Option<Feed>> = const { RefCell::new(None) };
    }
    FEED.with_borrow_mut(|feed| feed.get_or_insert_with(|| (target(name).start)())(bytes));
}

/// Mutates an input as libFuzzer does, and repairs the lengths of a document in it most times.
pub fn mutate(name: &str, bytes: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let size = libfuzzer_sys::fuzzer_mutate(bytes, size, max_size);
    let Some(start) = target(name).document_at.filter(|start| *start <= size) else {
        return size;
    };
    let repaired = document::repair(&bytes[start..size]);
    let end = start + repaired.len();
    if seed.is_multiple_of(UNREPAIRED) || end > max_size {
        return size;
    }
    bytes[start..end].copy_from_slice(&repaired);
    end
}

fn target(name: &str) -> &'static Target {
    let target = targets().find(|target| target.name == name);
    target.expect("every target is listed")
}
