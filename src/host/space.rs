//! Free space of the file system that holds the data of embedded servers.
//!
//! Once per second the free space is compared with how fast it shrinks. One warning comes before it
//! is used up, while the user can still act.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use rustix::fs::statvfs;
use tokio::time::MissedTickBehavior;

use crate::host::file_sizes;

/// Pause between two looks at the free space.
const INTERVAL: Duration = Duration::from_secs(1);

/// Seconds over which the growth is measured.
const WINDOW: usize = 5;

/// Seconds until the file system is full, below which the user is warned.
const SOON: f64 = 60.0;

/// Bytes below which a file system is full for servers.
const FULL: u64 = 1024 * 1024;

/// Free bytes of the last seconds.
#[derive(Debug, Default)]
struct Shrinkage {
    free: VecDeque<u64>,
    warned: bool,
}

/// A file system that will be full soon.
#[derive(Debug, PartialEq)]
struct Forecast {
    free: u64,
    bytes_per_second: f64,
    seconds: f64,
}

/// Watches the file system of a directory, and warns once. Warns of a limit on file sizes at the start.
/// Never returns.
pub async fn watch(directory: &Path, warn: impl Fn(&str)) {
    if let Some(warning) = file_sizes::warning() {
        warn(&warning);
    }
    let mut shrinkage = Shrinkage::default();
    let mut looks = tokio::time::interval(INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let Some(free) = free(directory) else {
            continue;
        };
        if let Some(forecast) = shrinkage.add(free) {
            warn(&forecast.text(directory));
        }
    }
}

/// Returns the bytes that this user may still write to a directory's file system.
fn free(directory: &Path) -> Option<u64> {
    let found = statvfs(directory).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

impl Shrinkage {
    /// Adds the free bytes of one more second. Returns a forecast once, if the space ends soon.
    fn add(&mut self, free: u64) -> Option<Forecast> {
        self.free.push_back(free);
        if self.free.len() > WINDOW + 1 {
            self.free.pop_front();
        }
        let seconds = self.free.len() - 1;
        if self.warned || seconds == 0 {
            return None;
        }
        let used = self.free.front()?.saturating_sub(free);
        let bytes_per_second = used as f64 / seconds as f64;
        let left = free.saturating_sub(FULL) as f64 / bytes_per_second;
        // A file system that is full already has no growth.
        if free >= FULL && (used == 0 || left > SOON) {
            return None;
        }
        self.warned = true;
        Some(Forecast {
            free,
            bytes_per_second,
            seconds: left,
        })
    }
}

impl Forecast {
    fn text(&self, directory: &Path) -> String {
        let megabytes = |bytes: f64| bytes / 1e6;
        let (directory, free) = (directory.display(), megabytes(self.free as f64));
        let when = if self.free < FULL {
            "it is full".to_owned()
        } else {
            let growth = megabytes(self.bytes_per_second);
            let seconds = self.seconds.ceil();
            format!("at {growth:.1} MB/s it is full in about {seconds:.0} s")
        };
        format!(
            "warning: `{directory}` has {free:.1} MB of free space: {when}; set `TMPDIR` or pass \
             `--data-dir DIR` to use another file system"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1_000_000;

    #[test]
    fn warning_comes_once_and_before_the_space_ends() {
        let mut shrinkage = Shrinkage::default();
        assert_eq!(shrinkage.add(40 * MB), None);
        let forecast = shrinkage.add(30 * MB).unwrap();
        assert!(forecast.seconds < 3.0, "{forecast:?}");
        let text = forecast.text(Path::new("/tmp/a"));
        assert!(
            text.contains("30.0 MB of free space: at 10.0 MB/s it is full in about 3 s"),
            "{text}"
        );
        assert_eq!(shrinkage.add(20 * MB), None);
    }

    #[test]
    fn enough_or_steady_space_is_not_a_warning() {
        let mut steady = Shrinkage::default();
        let mut large = Shrinkage::default();
        for second in 0..100 {
            assert_eq!(steady.add(2 * MB), None);
            assert_eq!(large.add(1_000_000 * MB - second * 13 * MB), None);
        }
    }

    #[test]
    fn full_file_system_is_a_warning_without_growth() {
        let mut full = Shrinkage::default();
        full.add(0);
        let text = full.add(0).unwrap().text(Path::new("/tmp/a"));
        assert!(text.contains("it is full;"), "{text}");
    }
}
