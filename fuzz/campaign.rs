//! Feeds one target with changed inputs for a while and watches what it costs.

use std::collections::HashSet;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::FileExt;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::time::Duration;

use convoy::fuzz::{Feed, Target};
use convoy::measure::RunClock;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::mutate::{Form, mutate};

/// Inputs kept beside those of the corpus, because something new became of them.
const MAX_KEPT: usize = 5_000;

/// No input may take longer, on a busy machine either.
const SLOWEST: Duration = Duration::from_secs(10);

/// What a target may take beyond what it had when it started.
const MEMORY_BYTES: u64 = 512 << 20;

/// Inputs between looks at the memory.
const MEMORY_EVERY: u64 = 512;

/// What a campaign came to.
#[derive(Debug, Default)]
pub struct Summary {
    /// Inputs fed.
    pub executions: u64,
    /// Different things that became of them.
    pub outcomes: usize,
    /// The longest that one took.
    pub slowest: Duration,
    /// Most memory beyond that of the start, bytes.
    pub memory: u64,
}

/// Why a campaign ended early.
#[derive(Debug)]
pub struct Finding {
    /// What happened.
    pub what: String,
    /// The input.
    pub input: Vec<u8>,
}

/// One target under fire.
pub struct Campaign {
    feed: Feed,
    form: Form,
    corpus: Vec<Vec<u8>>,
    outcomes: HashSet<u64>,
    random: ChaCha8Rng,
    clock: RunClock,
    summary: Summary,
    memory_at_start: u64,
    /// Holds the input that is being fed: what ends the process leaves it there.
    current: Option<File>,
}

impl Campaign {
    /// Prepares a campaign; the same seed feeds the same inputs.
    pub fn new(target: &Target, seed: u64, current: Option<File>) -> Self {
        Self {
            feed: (target.start)(),
            form: form(target.name),
            corpus: corpus(target.name),
            outcomes: HashSet::new(),
            random: ChaCha8Rng::seed_from_u64(seed),
            clock: RunClock::start(),
            summary: Summary::default(),
            memory_at_start: resident_bytes(),
            current,
        }
    }

    /// Feeds the corpus as it is, then changes of it until the time is over.
    pub fn run(mut self, time: Duration) -> Result<Summary, Finding> {
        for input in self.corpus.clone() {
            self.feed(&input)?;
        }
        let end = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        while self.clock.now() < end {
            let input = mutate(&self.corpus, self.form, &mut self.random);
            if self.feed(&input)? && self.corpus.len() < MAX_KEPT {
                self.corpus.push(input);
            }
        }
        self.summary.outcomes = self.outcomes.len();
        Ok(self.summary)
    }

    /// Feeds one input; returns whether something new became of it.
    fn feed(&mut self, input: &[u8]) -> Result<bool, Finding> {
        if let Some(current) = &self.current {
            let noted = current
                .write_all_at(input, 0)
                .and_then(|()| current.set_len(input.len() as u64));
            assert!(noted.is_ok(), "the current input can be noted");
        }
        let finding = |what: String| Finding {
            what,
            input: input.to_vec(),
        };
        let before = self.clock.now();
        let feed = &mut self.feed;
        let fed = panic::catch_unwind(AssertUnwindSafe(|| feed(input)));
        let took = Duration::from_nanos(self.clock.now() - before);
        let outcome = fed.map_err(|panic| finding(format!("panicked: {}", text_of(&*panic))))?;
        if took > SLOWEST {
            return Err(finding(format!("took {took:?}")));
        }
        self.summary.slowest = self.summary.slowest.max(took);
        self.summary.executions += 1;
        if self.summary.executions.is_multiple_of(MEMORY_EVERY) {
            let more = resident_bytes().saturating_sub(self.memory_at_start);
            self.summary.memory = self.summary.memory.max(more);
            if more > MEMORY_BYTES {
                return Err(finding(format!("memory grew by {} MB", more >> 20)));
            }
        }
        Ok(self.outcomes.insert(kind_of(&outcome)))
    }
}

/// Returns how a target's inputs are changed.
fn form(target: &str) -> Form {
    match target {
        "bson" | "filter" | "update" | "projection" | "pipeline" => Form::DocumentAfter(0),
        "mongo_command" => Form::DocumentAfter(5),
        "mongo_message" => Form::DocumentAfter(21),
        _ => Form::Bytes,
    }
}

/// Returns the committed inputs of a target, in order of their names.
pub fn corpus(target: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/fuzz");
    let Ok(entries) = fs::read_dir(directory.join(target)) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().flat_map(fs::read).collect()
}

/// Two outcomes that differ in numbers and quoted values alone are of one kind.
fn kind_of(outcome: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    let mut quoted = false;
    for symbol in outcome.chars().take(200) {
        if matches!(symbol, '\'' | '"' | '`') {
            quoted = !quoted;
        }
        if !quoted && !symbol.is_ascii_digit() {
            symbol.hash(&mut hasher);
        }
    }
    hasher.finish()
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("no message").to_owned()
}

fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}
