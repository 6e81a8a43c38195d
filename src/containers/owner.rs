//! The process that started a container, and whether that process has provably ended.
//!
//! A process id alone is no proof: ids are reused, also after a reboot, and an engine may serve
//! several machines or containers. In doubt the process counts as running, because removing a
//! container that is in use is worse than leaving one that is not.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::platform;

/// Bytes of a hash in a label: enough to differ, too few to identify a machine.
const SHOWN_BYTES: usize = 8;

const PID: &str = "convoy.pid";
const PROCESS_START: &str = "convoy.process-start";
const BOOT: &str = "convoy.boot";
const MACHINE: &str = "convoy.machine";
const PID_NAMESPACE: &str = "convoy.pid-namespace";

/// A process, as described by the labels of its containers. Values that its platform does not
/// provide are absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Process id.
    pub pid: i32,
    /// Start time of the process, in ticks after boot.
    pub process_start: Option<u64>,
    /// Scope of the process id.
    pub place: Place,
}

/// Scope of process ids: a boot of a machine and a namespace. All are hashes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Machine.
    pub machine: Option<String>,
    /// Boot of the machine.
    pub boot: Option<String>,
    /// Namespace of process ids.
    pub pid_namespace: Option<String>,
}

/// State of an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// The process is running.
    Alive,
    /// The process has ended.
    Dead,
    /// The process belongs to another scope, or this platform does not know.
    Unknown,
}

/// State of a process id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// No process has the id.
    Absent,
    /// A process with this start time, if known, has the id.
    Present(Option<u64>),
}

impl Owner {
    /// Returns this process.
    pub fn current() -> Self {
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        Self {
            pid,
            process_start: platform::process_start(pid),
            place: Place::current(),
        }
    }

    /// Returns the labels that describe it.
    pub fn labels(&self) -> Vec<(&'static str, String)> {
        let start = self.process_start.map(|start| start.to_string());
        let optional = [
            (PROCESS_START, &start),
            (BOOT, &self.place.boot),
            (MACHINE, &self.place.machine),
            (PID_NAMESPACE, &self.place.pid_namespace),
        ];
        let known = optional
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.clone()?)));
        std::iter::once((PID, self.pid.to_string()))
            .chain(known)
            .collect()
    }

    /// Reads an owner from labels, if they describe one.
    pub fn from_labels<'a>(label: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        let text = |name| label(name).map(str::to_owned);
        Some(Self {
            pid: label(PID)?.parse().ok().filter(|pid| *pid > 0)?,
            process_start: label(PROCESS_START).and_then(|start| start.parse().ok()),
            place: Place {
                machine: text(MACHINE),
                boot: text(BOOT),
                pid_namespace: text(PID_NAMESPACE),
            },
        })
    }

    /// Returns its current state.
    pub fn life(&self) -> Life {
        self.life_at(&Place::current(), process)
    }

    fn life_at(&self, here: &Place, process: impl Fn(i32) -> Process) -> Life {
        let same = |one: &Option<String>, other: &Option<String>| match (one, other) {
            (Some(one), Some(other)) => Some(one == other),
            _ => None,
        };
        if same(&self.place.machine, &here.machine) != Some(true) {
            return Life::Unknown;
        }
        match same(&self.place.boot, &here.boot) {
            Some(true) => {}
            Some(false) => return Life::Dead,
            None => return Life::Unknown,
        }
        if same(&self.place.pid_namespace, &here.pid_namespace) != Some(true) {
            return Life::Unknown;
        }
        match (process(self.pid), self.process_start) {
            (Process::Absent, _) => Life::Dead,
            (Process::Present(Some(now)), Some(then)) if now != then => Life::Dead,
            (Process::Present(Some(_)), Some(_)) => Life::Alive,
            (Process::Present(_), _) => Life::Unknown,
        }
    }
}

impl Place {
    /// Returns the scope of this process.
    pub fn current() -> Self {
        Self {
            machine: platform::machine_id().map(|id| hash(&id)),
            boot: boot(),
            pid_namespace: platform::pid_namespace(),
        }
    }
}

/// Returns a hash of the boot id, which changes when the machine is rebooted.
pub fn boot() -> Option<String> {
    platform::boot_id().map(|id| hash(&id))
}

fn process(pid: i32) -> Process {
    if platform::is_running(pid) {
        Process::Present(platform::process_start(pid))
    } else {
        Process::Absent
    }
}

fn hash(text: &str) -> String {
    let hash = Sha256::digest(text.as_bytes());
    let mut shown = String::with_capacity(2 * SHOWN_BYTES);
    for byte in hash.iter().take(SHOWN_BYTES) {
        let _ = write!(shown, "{byte:02x}");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(machine: &str, boot: &str, pid_namespace: &str) -> Place {
        Place {
            machine: Some(machine.to_owned()),
            boot: Some(boot.to_owned()),
            pid_namespace: Some(pid_namespace.to_owned()),
        }
    }

    fn owner(place: Place) -> Owner {
        Owner {
            pid: 4_711,
            process_start: Some(100),
            place,
        }
    }

    #[test]
    fn owner_is_dead_only_with_proof() {
        let here = place("machine", "boot", "namespace");
        let life = |place: Place, process| owner(place).life_at(&here, |_| process);
        let same = || here.clone();
        let present = Process::Present(Some(100));

        assert_eq!(life(same(), present), Life::Alive);
        assert_eq!(life(same(), Process::Absent), Life::Dead);
        assert_eq!(life(same(), Process::Present(Some(200))), Life::Dead);
        assert_eq!(life(same(), Process::Present(None)), Life::Unknown);
        let rebooted = place("machine", "earlier boot", "namespace");
        assert_eq!(life(rebooted, present), Life::Dead);
        let container = place("machine", "boot", "other namespace");
        assert_eq!(life(container, Process::Absent), Life::Unknown);
        let elsewhere = place("other machine", "other boot", "namespace");
        assert_eq!(life(elsewhere, Process::Absent), Life::Unknown);
        assert_eq!(life(Place::default(), Process::Absent), Life::Unknown);
    }

    #[test]
    fn labels_round_trip() {
        let owner = owner(place("machine", "boot", "namespace"));
        let labels = owner.labels();
        let read = Owner::from_labels(|name| {
            labels
                .iter()
                .find(|(label, _)| *label == name)
                .map(|(_, value)| value.as_str())
        });
        assert_eq!(read, Some(owner));
        assert_eq!(Owner::from_labels(|_| None), None);
        assert_eq!(Owner::from_labels(|_| Some("-1")), None);
    }

    #[test]
    fn this_process_is_alive_and_an_ended_child_is_dead() {
        let current = Owner::current();
        assert_eq!(current.life(), Life::Alive);

        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let process_start = platform::process_start(pid);
        child.wait().unwrap();
        let ended = Owner {
            pid,
            process_start,
            ..current
        };
        assert_eq!(ended.life(), Life::Dead);
    }

    #[test]
    fn ids_are_hashed() {
        let shown = hash("0c8a5f0e-0000-4000-8000-000000000000");
        assert_eq!(shown.len(), 16);
        assert!(!shown.contains("0c8a5f0e"));
    }
}
