//! Rules of a fault plan: which moments they match, and how often they take effect.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::random::Random;

/// How often a rule takes effect.
#[derive(Debug)]
pub enum Times {
    /// The next moments that match.
    Next(u32),
    /// A share of the moments that match.
    Share { probability: f64, random: Random },
}

impl Times {
    pub fn share(probability: f64, seed: u64) -> Self {
        Self::Share {
            probability,
            random: Random::new(seed),
        }
    }
}

#[derive(Debug)]
struct Rule<When, What> {
    when: When,
    what: What,
    times: Times,
}

/// Rules in the order in which they were added; the first one that takes effect counts.
#[derive(Debug)]
pub struct Rules<When, What> {
    rules: Mutex<Vec<Rule<When, What>>>,
    injected: AtomicU64,
}

impl<When, What> Default for Rules<When, What> {
    fn default() -> Self {
        Self {
            rules: Mutex::default(),
            injected: AtomicU64::new(0),
        }
    }
}

impl<When, What: Clone> Rules<When, What> {
    pub fn add(&self, when: When, what: What, times: Times) {
        if !matches!(times, Times::Next(0)) {
            self.lock().push(Rule { when, what, times });
        }
    }

    /// Removes all rules.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Returns what happens at a moment.
    pub fn decide(&self, matches: impl Fn(&When) -> bool) -> Option<What> {
        let mut rules = self.lock();
        let found = rules.iter_mut().position(|rule| {
            matches(&rule.when)
                && match &mut rule.times {
                    Times::Next(left) => {
                        *left = left.saturating_sub(1);
                        true
                    }
                    Times::Share {
                        probability,
                        random,
                    } => random.chance(*probability),
                }
        });
        let found = found?;
        let rule = rules.get(found)?;
        let (what, over) = (rule.what.clone(), matches!(rule.times, Times::Next(0)));
        if over {
            rules.remove(found);
        }
        self.injected.fetch_add(1, Ordering::Relaxed);
        Some(what)
    }

    /// Returns how many faults were injected.
    pub fn injected(&self) -> u64 {
        self.injected.load(Ordering::Relaxed)
    }

    /// Returns how many faults are still to come, without those of shares.
    pub fn pending(&self) -> u64 {
        let rules = self.lock();
        let pending = rules.iter().map(|rule| match rule.times {
            Times::Next(left) => u64::from(left),
            Times::Share { .. } => 0,
        });
        pending.sum()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Rule<When, What>>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_take_effect_in_order_and_run_out() {
        let rules = Rules::default();
        rules.add("insert", 1, Times::Next(2));
        rules.add("insert", 2, Times::Next(1));
        rules.add("find", 3, Times::Next(1));
        assert_eq!(rules.pending(), 4);
        let decide = |name: &str| rules.decide(|when| *when == name);
        assert_eq!(
            [(); 4].map(|()| decide("insert")),
            [Some(1), Some(1), Some(2), None]
        );
        assert_eq!((rules.injected(), rules.pending()), (3, 1));
        rules.clear();
        assert_eq!(decide("find"), None);
    }

    #[test]
    fn no_times_is_no_fault() {
        let rules = Rules::default();
        rules.add((), (), Times::Next(0));
        rules.add((), (), Times::share(0.0, 1));
        assert_eq!(rules.decide(|()| true), None);
        rules.add((), (), Times::share(1.0, 1));
        assert!((0..10).all(|_| rules.decide(|()| true).is_some()));
    }
}
