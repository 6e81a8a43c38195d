//! Goal: the invariants I1–I7 hold under any order of faults.
//! Method: the state machines run against a broker and a store that are two maps. A tape of numbers
//! decides what happens to each request: a response, none, a crash before or after it is applied, a
//! step of the clock, a second owner. No fault follows the end of the tape, so every schedule ends.
//! The invariants are computed from the maps.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use crate::broker::Position;
use crate::measure::nanos;
use crate::pipeline::machine::sending::{Action as Send, Answer, Sending};
use crate::pipeline::machine::writing::{Action, Fetched, Limits};
use crate::pipeline::machine::*;

const PARTITIONS: usize = 2;
const MESSAGES: u32 = 40;
const FLIGHT: usize = 7;
const REQUEST_BYTES: usize = 50;
const LIMITS: Limits = Limits {
    batch: batcher::Limits {
        records: 5,
        bytes: 1_000,
        wait: Duration::from_millis(10),
    },
    interval: Duration::from_millis(500),
    window: 8,
    timeout: Duration::from_secs(60),
};

/// Maximum records of one fetch.
const FETCH: usize = 4;

/// Steps within which every schedule must have ended.
const STEPS: usize = 20_000;

/// Faults, number by number; 0 after its end.
struct Tape {
    numbers: std::vec::IntoIter<u8>,
}

impl Tape {
    fn new(numbers: Vec<u8>) -> Self {
        Self {
            numbers: numbers.into_iter(),
        }
    }

    fn draw(&mut self, bound: u8) -> u8 {
        self.numbers.next().unwrap_or_default() % bound
    }

    fn ended(&self) -> bool {
        self.numbers.len() == 0
    }

    /// Returns the outcome of the next request.
    fn fate(&mut self) -> Fate {
        match self.draw(24) {
            1 => Fate::CrashBefore,
            2 => Fate::CrashAfter,
            3 | 4 => Fate::Unanswered { applied: false },
            5 | 6 => Fate::Unanswered { applied: true },
            _ => Fate::Answered,
        }
    }

    /// Moves the clock: mostly a little, sometimes far, sometimes back.
    fn step(&mut self, now: &mut u64) {
        *now = match self.draw(16) {
            1 => now.saturating_sub(1_000_000_000),
            2 => *now + nanos(Duration::from_secs(600)),
            3..=6 => *now + nanos(LIMITS.interval),
            _ => *now + 1_000_000,
        };
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Answered,
    Unanswered { applied: bool },
    CrashBefore,
    CrashAfter,
}

/// Messages that exceed the broker's limit, by id.
fn too_large(id: u32) -> bool {
    id % 13 == 5
}

fn poison(id: u32) -> bool {
    id % 11 == 3
}

fn refused(id: u32) -> bool {
    id % 17 == 7
}

fn bytes(id: u32) -> usize {
    if too_large(id) { REQUEST_BYTES + 1 } else { 10 }
}

/// A broker and a store, and their contents.
#[derive(Default)]
struct World {
    log: [Vec<u32>; PARTITIONS],
    acked: BTreeSet<u32>,
    dead_lettered: BTreeSet<u32>,
    unacked: usize,
    /// Id → partition and offset that it was read from.
    stored: BTreeMap<u32, (usize, i64)>,
    letters: BTreeSet<(usize, i64)>,
    /// Owner's epoch and position.
    checkpoints: [(u64, i64); PARTITIONS],
    now: u64,
}

impl World {
    /// Sends every message through [`Sending`], batch by batch. It ends when a batch is given up.
    fn produce(&mut self, tape: &mut Tape) {
        for partition in 0..PARTITIONS {
            let ids: Vec<u32> = (0..MESSAGES)
                .filter(|id| *id as usize % PARTITIONS == partition)
                .collect();
            for flight in ids.chunks(FLIGHT) {
                if !self.send(partition, flight, tape) {
                    break;
                }
            }
        }
    }

    fn send(&mut self, partition: usize, flight: &[u32], tape: &mut Tape) -> bool {
        let mut sending = Sending::new(flight.len(), LIMITS.timeout);
        for _ in 0..STEPS {
            match sending.action() {
                Send::Send(range) => {
                    let ids = &flight[range];
                    assert!(!ids.is_empty());
                    let answer = self.append(partition, ids, tape);
                    tape.step(&mut self.now);
                    if let Some(index) = sending.answered(answer, self.now) {
                        assert!(too_large(flight[index]));
                        self.dead_lettered.insert(flight[index]);
                    }
                }
                Send::Pause(pause) => self.now += nanos(pause),
                Send::Finish => return true,
                Send::GiveUp { attempts } => {
                    assert!(attempts > 0);
                    let unacked = sending.unacked();
                    self.unacked += unacked;
                    let known = flight
                        .iter()
                        .filter(|id| self.acked.contains(id) || self.dead_lettered.contains(id));
                    assert_eq!(unacked, flight.len() - known.count());
                    return false;
                }
            }
        }
        panic!("a batch never ends");
    }

    fn append(&mut self, partition: usize, ids: &[u32], tape: &mut Tape) -> Answer {
        if ids.iter().map(|id| bytes(*id)).sum::<usize>() > REQUEST_BYTES {
            return Answer::TooLarge;
        }
        let (applied, answer) = match tape.draw(12) {
            1 | 2 => (false, Answer::Again),
            3 | 4 => (true, Answer::Again),
            5 if tape.draw(8) == 1 => (false, Answer::Refused),
            _ => (true, Answer::Acked),
        };
        if applied {
            self.log[partition].extend(ids);
        }
        if answer == Answer::Acked {
            self.acked.extend(ids);
        }
        answer
    }

    /// Whether a record is stored or dead-lettered.
    fn settled(&self, partition: usize, offset: i64) -> bool {
        let id = self.log[partition][index(offset)];
        self.stored.contains_key(&id) || self.letters.contains(&(partition, offset))
    }

    /// Checks I5.
    fn check_checkpoints(&self) {
        for (partition, (_, position)) in self.checkpoints.iter().enumerate() {
            for offset in 0..*position {
                assert!(
                    self.settled(partition, offset),
                    "I5 at {partition}/{offset}"
                );
            }
        }
    }

    fn check_end(&self) {
        self.check_checkpoints();
        let mut good = 0;
        for (partition, log) in self.log.iter().enumerate() {
            let mut seen = BTreeSet::new();
            for (offset, id) in log.iter().enumerate() {
                let offset = i64::try_from(offset).unwrap();
                assert!(self.settled(partition, offset), "I2: {id}");
                assert!(*id < MESSAGES && !too_large(*id), "I4: {id}");
                if seen.insert(*id) {
                    // I7: first copies are in the order of emission, resent flights included.
                    assert!(seen.iter().all(|other| other <= id), "I7: {id}");
                    good += usize::from(!poison(*id) && !refused(*id));
                }
            }
            let end = i64::try_from(log.len()).unwrap();
            assert_eq!(self.checkpoints[partition].1, end);
        }
        assert_eq!(self.stored.len(), good, "I3");
        for id in self.stored.keys() {
            assert!(!poison(*id) && !refused(*id), "I4: {id}");
        }
        let in_log: BTreeSet<u32> = self.log.iter().flatten().copied().collect();
        assert!(self.acked.is_subset(&in_log), "I2");
        if self.unacked == 0 {
            let whole = in_log.len() + self.dead_lettered.len();
            assert_eq!(whole, MESSAGES as usize, "I1");
        }
    }
}

/// One consumer with its writer.
struct Owner {
    epoch: u64,
    writing: Writing<usize>,
    positions: Vec<Position>,
    /// Partition, offset and id of the batch's documents.
    documents: Vec<(usize, i64, u32)>,
    letters: Vec<(usize, i64)>,
}

/// State of an owner after its last step.
#[derive(Debug, PartialEq, Eq)]
enum Life {
    GoesOn,
    Crashed,
    Fenced,
    Finished,
}

impl Owner {
    /// Takes over every partition, from its checkpoint on.
    fn begin(world: &mut World, epoch: u64) -> Self {
        let claim = |checkpoint: &mut (u64, i64)| {
            checkpoint.0 = epoch;
            Position::new(checkpoint.1)
        };
        Self {
            epoch,
            positions: world.checkpoints.iter_mut().map(claim).collect(),
            writing: Writing::new(LIMITS),
            documents: Vec::new(),
            letters: Vec::new(),
        }
    }

    fn step(&mut self, world: &mut World, tape: &mut Tape) -> Life {
        match self.writing.action(world.now) {
            Action::Collect { until } => self.collect(world, until),
            Action::Pause(pause) => {
                world.now += nanos(pause);
                Life::GoesOn
            }
            Action::Forget => {
                self.documents.clear();
                self.letters.clear();
                Life::GoesOn
            }
            Action::WriteLetters => self.meet(world, tape.fate(), Self::write_letters),
            Action::Insert { first, most } => {
                let end = self.documents.len().min(first + most);
                assert!(first < end);
                let partly = tape.draw(4) == 1;
                let fate = tape.fate();
                let apply = |owner: &mut Self, world: &mut World, answered| {
                    owner.insert(world, first..end, partly, answered);
                };
                self.meet(world, fate, apply)
            }
            Action::Checkpoint {
                partition,
                position,
            } => {
                if world.checkpoints[partition].0 != self.epoch {
                    assert!(self.epoch < world.checkpoints[partition].0);
                    return Life::Fenced;
                }
                let apply = |owner: &mut Self, world: &mut World, answered| {
                    assert!(world.checkpoints[partition].1 <= position, "moved back");
                    world.checkpoints[partition].1 = position;
                    world.check_checkpoints();
                    if answered {
                        owner.writing.checkpointed(partition, position);
                    }
                };
                self.meet(world, tape.fate(), apply)
            }
            Action::GiveUp { attempts } => {
                assert!(attempts > 0);
                Life::Crashed
            }
            Action::Finish => Life::Finished,
        }
    }

    /// Applies a request according to its outcome. `apply` gets whether the response arrives.
    fn meet(
        &mut self,
        world: &mut World,
        fate: Fate,
        apply: impl FnOnce(&mut Self, &mut World, bool),
    ) -> Life {
        match fate {
            Fate::CrashBefore => return Life::Crashed,
            Fate::CrashAfter => {
                apply(self, world, false);
                return Life::Crashed;
            }
            Fate::Answered => apply(self, world, true),
            Fate::Unanswered { applied } => {
                if applied {
                    apply(self, world, false);
                }
                self.writing.unanswered(world.now);
            }
        }
        Life::GoesOn
    }

    /// Fetches from the partition with the largest lag.
    fn collect(&mut self, world: &mut World, until: Option<u64>) -> Life {
        let left = |partition: &usize| {
            world.log[*partition].len() - index(self.positions[*partition].offset())
        };
        let partition = (0..PARTITIONS).max_by_key(left).unwrap();
        let fetched = left(&partition).min(FETCH);
        if fetched == 0 {
            match until {
                // Wait before closing, so that batches and checkpoints become due too.
                Some(until) if until > world.now => world.now = until,
                _ => self.writing.close(),
            }
            return Life::GoesOn;
        }
        let start = self.positions[partition].offset();
        let mut documents = 0;
        for offset in start..start + i64::try_from(fetched).unwrap() {
            self.positions[partition].pass(offset).unwrap();
            let id = world.log[partition][index(offset)];
            if poison(id) {
                self.letters.push((partition, offset));
            } else {
                self.documents.push((partition, offset, id));
                documents += 1;
            }
        }
        let fetched = Fetched {
            offsets: start..self.positions[partition].offset(),
            documents,
            bytes: 10 * documents,
            letters: fetched - documents,
            at: world.now,
        };
        self.writing.fetched(partition, fetched);
        Life::GoesOn
    }

    fn write_letters(&mut self, world: &mut World, answered: bool) {
        world.letters.extend(&self.letters);
        if answered {
            self.letters.clear();
            self.writing.letters_written();
        }
    }

    fn insert(
        &mut self,
        world: &mut World,
        chunk: std::ops::Range<usize>,
        partly: bool,
        answered: bool,
    ) {
        let documents = self.documents[chunk].to_vec();
        // Only an insert with a lost response may be applied in part.
        let applied = if partly && !answered {
            documents.len() / 2
        } else {
            documents.len()
        };
        let mut refusals = Vec::new();
        for (partition, offset, id) in &documents[..applied] {
            if refused(*id) {
                refusals.push((*partition, *offset));
            } else {
                world.stored.entry(*id).or_insert((*partition, *offset));
            }
        }
        if answered {
            self.writing.inserted(documents.len(), refusals.len());
            self.letters.extend(refusals);
        }
    }
}

fn index(offset: i64) -> usize {
    usize::try_from(offset).unwrap()
}

/// Settled records after the checkpoints: they would be read again.
fn replayed(world: &World) -> u64 {
    let settled_after = |(partition, (_, position)): (usize, &(u64, i64))| {
        let end = i64::try_from(world.log[partition].len()).unwrap();
        let settled = (*position..end).filter(|offset| world.settled(partition, *offset));
        settled.count() as u64
    };
    world
        .checkpoints
        .iter()
        .enumerate()
        .map(settled_after)
        .max()
        .unwrap()
}

/// Consumes everything. `crash` says at which steps an owner is killed besides the tape.
fn consume(world: &mut World, tape: &mut Tape, crash: impl Fn(usize) -> bool) -> usize {
    let mut owner = Owner::begin(world, 1);
    let mut zombie: Option<Owner> = None;
    let mut alone = true;
    for step in 0..STEPS {
        tape.step(&mut world.now);
        if let Some(stale) = &mut zombie
            && tape.draw(2) == 1
            && stale.step(world, tape) != Life::GoesOn
        {
            zombie = None;
        }
        let life = if crash(step) {
            Life::Crashed
        } else {
            owner.step(world, tape)
        };
        match life {
            Life::Finished if tape.ended() => return step,
            Life::GoesOn | Life::Finished => {}
            Life::Fenced => panic!("only a superseded owner is fenced"),
            Life::Crashed => {
                if alone && !duplicates(world) {
                    let batch = LIMITS.batch.records + FETCH;
                    assert!(replayed(world) <= LIMITS.window + batch as u64);
                }
                let next = Owner::begin(world, owner.epoch + 1);
                let dead = std::mem::replace(&mut owner, next);
                if tape.draw(3) == 1 {
                    // It was only slow: it continues beside its successor.
                    zombie = Some(dead);
                    alone = false;
                }
            }
        }
    }
    panic!("the schedule never ends");
}

/// Whether a record is in the log twice. Its second copy is settled before it is read.
fn duplicates(world: &World) -> bool {
    let distinct: BTreeSet<_> = world.log.iter().flatten().collect();
    distinct.len() < world.log.iter().map(Vec::len).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn no_record_is_lost_or_duplicated_under_random_faults(
        sending in prop::collection::vec(any::<u8>(), 0..120),
        writing in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let mut world = World::default();
        world.produce(&mut Tape::new(sending));
        consume(&mut world, &mut Tape::new(writing), |_| false);
        world.check_end();
    }
}

/// Row 12 of the fault matrix, at its lowest level.
#[test]
fn crash_at_any_step_replays_at_most_one_window_and_loses_no_record() {
    let calm = || {
        let mut world = World::default();
        world.produce(&mut Tape::new(Vec::new()));
        world
    };
    let steps = consume(&mut calm(), &mut Tape::new(Vec::new()), |_| false);
    assert!(steps > 30, "{steps}");
    for at in 0..=steps {
        let mut world = calm();
        consume(&mut world, &mut Tape::new(Vec::new()), |step| step == at);
        world.check_end();
    }
}

/// Row 13 of the fault matrix, at its lowest level.
#[test]
fn stale_owner_stores_no_duplicate_and_moves_no_checkpoint() {
    let mut world = World::default();
    let mut calm = Tape::new(Vec::new());
    world.produce(&mut calm);
    let mut stale = Owner::begin(&mut world, 1);
    while stale.documents.is_empty() {
        assert_eq!(stale.step(&mut world, &mut calm), Life::GoesOn);
    }
    let mut owner = Owner::begin(&mut world, 2);
    let mut fenced = false;
    for _ in 0..STEPS {
        world.now += 1_000_000;
        if !fenced {
            fenced = stale.step(&mut world, &mut calm) == Life::Fenced;
        }
        if owner.step(&mut world, &mut calm) == Life::Finished {
            break;
        }
    }
    assert!(fenced);
    world.check_end();
}
