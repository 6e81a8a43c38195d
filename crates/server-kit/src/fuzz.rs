//! Decoders as functions of bytes: fuzz targets, and the replay of their corpus.

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock::RunClock;

/// Decodes one input.
pub type Feed = Box<dyn FnMut(&[u8])>;

/// Time limit for one input; generous, for a busy machine and a debug build.
const SLOWEST: Duration = Duration::from_secs(10);

/// Number of positions at which [`replay`] damages each input.
const POSITIONS: usize = 8;

/// A decoder to fuzz. It must not panic or hang, nor allocate more than its input justifies.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Name of the target and of its corpus folder.
    pub name: &'static str,
    /// Returns a fresh decoder.
    pub start: fn() -> Feed,
    /// Offset of the BSON document at the end of each input, if there is one: a fuzzer can then
    /// keep the document's lengths consistent.
    pub document_at: Option<usize>,
}

impl Target {
    /// Returns a target whose inputs hold no BSON document.
    pub const fn new(name: &'static str, start: fn() -> Feed) -> Self {
        Self {
            name,
            start,
            document_at: None,
        }
    }

    /// Sets the offset of the BSON document in each input.
    #[must_use]
    pub const fn with_document_at(self, offset: usize) -> Self {
        Self {
            document_at: Some(offset),
            ..self
        }
    }
}

/// Feeds each target its corpus, `folder/<name>/*`: every input unchanged, cut and with bits
/// flipped.
///
/// # Panics
///
/// Panics if a corpus is empty, and if a decoder panics or takes longer than ten seconds.
pub fn replay(targets: &[Target], folder: &Path) {
    let clock = RunClock::start();
    for target in targets {
        let inputs = corpus(&folder.join(target.name));
        assert!(!inputs.is_empty(), "{} has a corpus", target.name);
        let mut feed = (target.start)();
        for path in inputs {
            let input = fs::read(&path).expect("the corpus is readable");
            for input in damaged(&input) {
                let before = clock.now();
                let fed = panic::catch_unwind(AssertUnwindSafe(|| feed(&input)));
                let took = Duration::from_nanos(clock.now() - before);
                assert!(fed.is_ok(), "{}: {input:?}", path.display());
                assert!(took < SLOWEST, "{}: {took:?}, {input:?}", path.display());
            }
        }
    }
}

fn corpus(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Returns the input, and for several positions the input cut there and with a bit flipped there.
fn damaged(input: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let positions = (0..POSITIONS).map(|position| position * input.len() / POSITIONS);
    let changes = positions
        .filter(|_| !input.is_empty())
        .flat_map(|position| {
            let mut changed = input.to_vec();
            changed[position] ^= 0x80;
            [input[..position].to_vec(), changed]
        });
    std::iter::once(input.to_vec()).chain(changes)
}
