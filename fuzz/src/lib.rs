//! Feeds a decoder of [`convoy::fuzz::targets`] with what libFuzzer thinks of.

mod document;

use std::alloc::System;
use std::cell::RefCell;

use cap::Cap;
use convoy::fuzz::targets;
use convoy_server_kit::fuzz::{Feed, Target};

#[doc(hidden)]
pub use libfuzzer_sys;

/// No decoder holds more than this, whatever it has been fed: the allocation that would exceed it
/// fails, and that ends the process with the input at hand.
const HEAP_BYTES: usize = 512 << 20;

/// One of so many documents keeps the lengths that libFuzzer gave it.
const UNMENDED: u32 = 8;

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, HEAP_BYTES);

/// Makes an executable that fuzzes the target of a name.
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

/// Feeds the target of a name, which is started with the first input.
pub fn feed(name: &str, bytes: &[u8]) {
    thread_local! {
        static FEED: RefCell<Option<Feed>> = const { RefCell::new(None) };
    }
    FEED.with_borrow_mut(|feed| feed.get_or_insert_with(|| (target(name).start)())(bytes));
}

/// Changes an input as libFuzzer does; a document in it mostly stays one.
pub fn mutate(name: &str, bytes: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let size = libfuzzer_sys::fuzzer_mutate(bytes, size, max_size);
    let Some(start) = target(name).document_at.filter(|start| *start <= size) else {
        return size;
    };
    let mended = document::mend(&bytes[start..size]);
    let end = start + mended.len();
    if seed.is_multiple_of(UNMENDED) || end > max_size {
        return size;
    }
    bytes[start..end].copy_from_slice(&mended);
    end
}

fn target(name: &str) -> &'static Target {
    let target = targets().find(|target| target.name == name);
    target.expect("every target is listed")
}
