//! Who started something that outlives its process, and whether that process is provably gone.
//!
//! A process id alone proves nothing: ids are used again, reboots start anew, and an engine may
//! serve several machines or containers. Doubt counts as alive, because removing what somebody
//! uses is worse than leaving what nobody does.

use std::fmt::Write as _;
use std::fs;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use sha2::{Digest, Sha256};

/// Bytes of a hash that are shown: enough to differ, too few to identify.
const SHOWN_BYTES: usize = 8;

/// Field of `/proc/<pid>/stat` with the start time, counted behind the command's name.
const START_FIELD: usize = 19;

const PID: &str = "convoy.pid";
const PROCESS_START: &str = "convoy.process-start";
const BOOT: &str = "convoy.boot";
const MACHINE: &str = "convoy.machine";
const PID_NAMESPACE: &str = "convoy.pid-namespace";

/// A process as its leftovers remember it. Absent is what its system does not tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Process id.
    pub pid: i32,
    /// When the process started, in the system's ticks after boot.
    pub process_start: Option<u64>,
    /// Where and when the process id means something.
    pub place: Place,
}

/// One boot of one machine, as seen from one namespace of process ids. Hashes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The machine.
    pub machine: Option<String>,
    /// The boot.
    pub boot: Option<String>,
    /// The namespace.
    pub pid_namespace: Option<String>,
}

/// What is known of an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It runs.
    Alive,
    /// It is gone for good.
    Dead,
    /// It runs elsewhere, or this system does not tell.
    Unknown,
}

/// What a system says about a process id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// No process has it.
    Absent,
    /// A process has it, since this start if the system tells.
    Present(Option<u64>),
}

impl Owner {
    /// Returns this process.
    pub fn current() -> Self {
        let pid = rustix::process::getpid().as_raw_nonzero().get();
        Self {
            pid,
            process_start: process_start(pid),
            place: Place::current(),
        }
    }

    /// Returns the labels that remember it.
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

    /// Reads an owner from labels; none if they do not name one.
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

    /// Returns what is known of it here and now.
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
    /// Returns where this process runs.
    pub fn current() -> Self {
        Self {
            machine: machine(),
            boot: boot(),
            pid_namespace: fs::read_link("/proc/self/ns/pid")
                .ok()
                .map(|link| link.display().to_string()),
        }
    }
}

/// Returns a hash of the boot id: equal as long as the machine has not been started anew.
pub fn boot() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(hash(id.trim()))
}

/// The machine's id, or its name where it has none, as in a container.
fn machine() -> Option<String> {
    let id = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    match id.trim() {
        "" => {
            let name = rustix::system::uname().nodename().to_str().ok()?.to_owned();
            Some(hash(&format!("name {name}")))
        }
        id => Some(hash(id)),
    }
}

fn process(pid: i32) -> Process {
    match Pid::from_raw(pid).map(test_kill_process) {
        Some(Err(Errno::SRCH)) | None => Process::Absent,
        // Another user's process refuses the signal, so it is there.
        Some(Ok(()) | Err(_)) => Process::Present(process_start(pid)),
    }
}

fn process_start(pid: i32) -> Option<u64> {
    parse_start(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// A command's name may hold spaces and parentheses, but nothing behind it does.
fn parse_start(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(START_FIELD)?.parse().ok()
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
    fn only_proof_makes_an_owner_dead() {
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
    fn labels_remember_everything() {
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
    fn this_process_is_alive_and_a_child_that_ended_is_dead() {
        let current = Owner::current();
        assert_eq!(current.life(), Life::Alive);

        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let process_start = process_start(pid);
        child.wait().unwrap();
        let ended = Owner {
            pid,
            process_start,
            ..current
        };
        assert_eq!(ended.life(), Life::Dead);
    }

    #[test]
    fn an_id_is_shown_only_as_a_hash() {
        let shown = hash("0c8a5f0e-0000-4000-8000-000000000000");
        assert_eq!(shown.len(), 16);
        assert!(!shown.contains("0c8a5f0e"));
    }

    #[test]
    fn a_command_may_be_called_anything() {
        let stat = "7 (a) b) c) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 1000 200";
        assert_eq!(parse_start(stat), Some(4_242));
        assert_eq!(parse_start("7 (a) S 1"), None);
    }
}
