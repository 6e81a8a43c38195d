//! Goal: no decoder of what strangers send panics, hangs or takes memory that is not justified.
//! Method: each is fed its committed corpus, what real clients sent and what libFuzzer found, and
//! every input damaged; `just fuzz` looks for more as long as one likes.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::time::Duration;

use convoy::fuzz::TARGETS;
use convoy::measure::RunClock;

/// No input may take longer, on a busy machine and without optimisation either.
const SLOWEST: Duration = Duration::from_secs(10);

/// Places at which each input is damaged.
const PLACES: usize = 8;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The committed inputs of a target, in order of their names.
fn corpus(target: &str) -> Vec<PathBuf> {
    let directory = root().join("fixtures/fuzz").join(target);
    let entries = fs::read_dir(directory).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// An input as it is; cut, and with a byte changed, at places all over it.
fn damaged(input: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let places = (0..PLACES).map(|place| place * input.len() / PLACES);
    let changes = places.filter(|_| !input.is_empty()).flat_map(|place| {
        let mut changed = input.to_vec();
        changed[place] ^= 0x80;
        [input[..place].to_vec(), changed]
    });
    std::iter::once(input.to_vec()).chain(changes)
}

#[test]
fn every_decoder_survives_its_corpus_and_damage_to_it() {
    let clock = RunClock::start();
    for target in TARGETS {
        let paths = corpus(target.name);
        assert!(!paths.is_empty(), "{} has a corpus", target.name);
        let mut feed = (target.start)();
        for path in paths {
            for input in damaged(&fs::read(&path).unwrap()) {
                let before = clock.now();
                let fed = panic::catch_unwind(AssertUnwindSafe(|| feed(&input)));
                let took = Duration::from_nanos(clock.now() - before);
                assert!(fed.is_ok(), "{}: {input:?}", path.display());
                assert!(took < SLOWEST, "{}: {took:?}, {input:?}", path.display());
            }
        }
    }
}

#[test]
fn every_decoder_is_fuzzed_and_has_a_corpus() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|it| it.name.to_owned()).collect();
    assert_eq!(targets.len(), TARGETS.len(), "no name is used twice");
    let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let mut executables = BTreeSet::new();
    for executable in manifest["bin"].as_array().unwrap() {
        let name = executable["name"].as_str().unwrap().to_owned();
        let source = root()
            .join("fuzz")
            .join(executable["path"].as_str().unwrap());
        let source = fs::read_to_string(source).unwrap();
        assert!(source.contains(&format!("fuzz!({name:?})")), "{source}");
        executables.insert(name);
    }
    assert_eq!(executables, targets);
    let corpora = fs::read_dir(root().join("fixtures/fuzz")).unwrap();
    let corpora = corpora.map(|it| it.unwrap().file_name().into_string().unwrap());
    assert_eq!(corpora.collect::<BTreeSet<_>>(), targets);
}
