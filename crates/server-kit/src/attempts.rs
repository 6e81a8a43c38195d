//! Failed logins: each delays its answer, twice as long as the one before from the same address.
//!
//! A login with the right password is not delayed, unless too many of its address have just failed:
//! their number at one time is limited, also if the clients leave, so that guessing on many connections
//! is no faster.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clock::{RunClock, nanos};

/// Failures of an address before answers are delayed.
const FREE_FAILURES: u32 = 5;

/// Delay of the first answer that is delayed.
const FIRST_DELAY: Duration = Duration::from_millis(100);

/// The delay doubles this often.
const DOUBLINGS: u32 = 5;

/// The failures of an address are forgotten after this long without another.
const FORGET_AFTER: Duration = Duration::from_secs(60);

/// Logins of one address that are under way or delayed at one time.
const PLACES: usize = 64;

/// Addresses that are remembered; beyond, the one that failed least recently is forgotten.
const MAX_ADDRESSES: usize = 1_024;

/// The logins that failed lately, by address.
#[derive(Debug)]
pub struct Attempts {
    failed: Mutex<HashMap<IpAddr, Failures>>,
    first_delay: Duration,
    clock: RunClock,
}

#[derive(Debug)]
struct Failures {
    count: u32,
    /// Time of the last one on the clock of all.
    last: u64,
    places: Arc<Semaphore>,
}

/// A login under way.
#[derive(Debug)]
pub struct Attempt<'a> {
    attempts: &'a Attempts,
    address: IpAddr,
    place: Option<OwnedSemaphorePermit>,
}

impl Default for Attempts {
    fn default() -> Self {
        Self {
            failed: Mutex::default(),
            first_delay: FIRST_DELAY,
            clock: RunClock::start(),
        }
    }
}

impl Attempts {
    /// Begins a login. Waits if too many of this address have just failed.
    pub async fn begin(&self, address: IpAddr) -> Attempt<'_> {
        let places = self.update(address, |failures| Arc::clone(&failures.places));
        Attempt {
            attempts: self,
            address,
            // An error cannot happen: the semaphore is never closed.
            place: places.acquire_owned().await.ok(),
        }
    }

    fn count(&self, address: IpAddr) -> u32 {
        let now = self.clock.now();
        self.update(address, |failures| failures.count(now))
    }

    /// Changes what is remembered of an address; forgets another one if there are too many.
    fn update<T>(&self, address: IpAddr, change: impl FnOnce(&mut Failures) -> T) -> T {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.len() >= MAX_ADDRESSES && !failed.contains_key(&address) {
            let oldest = failed.iter().min_by_key(|(_, failures)| failures.last);
            if let Some(oldest) = oldest.map(|(address, _)| *address) {
                failed.remove(&oldest);
            }
        }
        change(failed.entry(address).or_insert_with(|| Failures {
            count: 0,
            last: self.clock.now(),
            places: Arc::new(Semaphore::new(PLACES)),
        }))
    }
}

impl Failures {
    /// Counts a failure; returns the number of failures that were not long ago.
    fn count(&mut self, now: u64) -> u32 {
        if now.saturating_sub(self.last) >= nanos(FORGET_AFTER) {
            self.count = 0;
        }
        self.last = now;
        self.count = self.count.saturating_add(1);
        self.count
    }
}

impl Attempt<'_> {
    /// Counts the login as failed and waits for as long as its answer is delayed.
    pub async fn failed(self) {
        let failures = self.attempts.count(self.address);
        let delay = delay(failures, self.attempts.first_delay);
        if delay.is_zero() {
            return;
        }
        let place = self.place;
        // The place stays taken if the client leaves meanwhile.
        let waited = tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            drop(place);
        });
        // The task does not panic.
        let _joined = waited.await;
    }
}

fn delay(failures: u32, first: Duration) -> Duration {
    match failures.checked_sub(FREE_FAILURES + 1) {
        None => Duration::ZERO,
        Some(before) => first * 2_u32.pow(before.min(DOUBLINGS)),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn attempts(first_delay: Duration) -> Arc<Attempts> {
        Arc::new(Attempts {
            failed: Mutex::default(),
            first_delay,
            clock: RunClock::start(),
        })
    }

    #[test]
    fn delays_double_up_to_a_limit() {
        let milliseconds = [0, 0, 0, 0, 0, 100, 200, 400, 800, 1_600, 3_200, 3_200];
        for (failures, expected) in (1_u32..).zip(milliseconds) {
            let delay = delay(failures, FIRST_DELAY);
            assert_eq!(delay.as_millis(), expected, "{failures}");
        }
        assert_eq!(delay(u32::MAX, FIRST_DELAY), Duration::from_millis(3_200));
    }

    #[tokio::test]
    async fn many_connections_guess_no_faster_than_the_places_of_their_address() {
        let attempts = attempts(Duration::from_millis(1));
        let clock = RunClock::start();
        let guesses = (0..10 * PLACES).map(|_| {
            let attempts = Arc::clone(&attempts);
            tokio::spawn(async move { attempts.begin(HERE).await.failed().await })
        });
        for guess in guesses.collect::<Vec<_>>() {
            guess.await.unwrap();
        }
        let elapsed = clock.now();
        assert!(elapsed > nanos(Duration::from_millis(8 * 32)), "{elapsed}");
    }

    #[tokio::test]
    async fn right_password_is_not_delayed_by_earlier_failures() {
        let attempts = attempts(Duration::from_secs(3_600));
        for _ in 0..20 {
            attempts.count(HERE);
        }
        let _succeeded = attempts.begin(HERE).await;
    }

    #[tokio::test]
    async fn place_stays_taken_if_the_client_leaves() {
        let attempts = attempts(Duration::from_secs(3_600));
        for _ in 0..20 {
            attempts.count(HERE);
        }
        let left = async { attempts.begin(HERE).await.failed().await };
        let left = tokio::time::timeout(Duration::from_millis(1), left).await;
        assert!(left.is_err());
        let places = attempts.update(HERE, |failures| Arc::clone(&failures.places));
        assert_eq!(places.available_permits(), PLACES - 1);
    }

    #[test]
    fn addresses_that_are_remembered_are_limited() {
        let attempts = attempts(FIRST_DELAY);
        for number in 0..2 * u32::try_from(MAX_ADDRESSES).unwrap() {
            attempts.count(Ipv4Addr::from(number).into());
        }
        assert_eq!(attempts.failed.lock().unwrap().len(), MAX_ADDRESSES);
    }
}
