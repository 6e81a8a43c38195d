//! Identity of processes, boots and machines.

use std::fs;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, getppid, test_kill_process};

use crate::platform::linux_file::linux_file;

/// Index of the start time among the fields of `/proc/<pid>/stat` after the command's name.
const START_FIELD: usize = 19;

/// Interval between two looks at the parent.
const PARENT_INTERVAL: Duration = Duration::from_millis(200);

/// Returns the process that started this one; another one if it has ended.
pub fn parent() -> Option<Pid> {
    getppid()
}

/// Waits until a process that was the parent has ended.
pub async fn parent_ended(parent: Option<Pid>) {
    while getppid() == parent {
        tokio::time::sleep(PARENT_INTERVAL).await;
    }
}

/// Returns whether a process has this id.
pub fn is_running(pid: i32) -> bool {
    match Pid::from_raw(pid).map(test_kill_process) {
        Some(Err(Errno::SRCH)) | None => false,
        // The process of another user refuses the signal, so it exists.
        Some(Ok(()) | Err(_)) => true,
    }
}

/// Returns the start time of a process in ticks after boot; `None` if the platform does not report
/// it (only Linux does).
pub fn process_start(pid: i32) -> Option<u64> {
    parse_start(&linux_file(&format!("/proc/{pid}/stat"))?)
}

/// Returns whether a process group has a process that has not ended; `None` if the platform does not
/// report it (only Linux does).
pub fn group_is_running(group: Pid) -> Option<bool> {
    let processes = linux_entries("/proc")?;
    let group = group.as_raw_nonzero().get();
    Some(processes.filter_map(Result::ok).any(|process| {
        let stat = fs::read_to_string(process.path().join("stat"));
        stat.is_ok_and(|stat| runs_in(&stat, group))
    }))
}

fn linux_entries(path: &str) -> Option<fs::ReadDir> {
    cfg!(target_os = "linux").then(|| fs::read_dir(path).ok())?
}

/// Returns whether a process of a group has not ended.
fn runs_in(stat: &str, group: i32) -> bool {
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields);
    let mut fields = fields.unwrap_or_default().split_whitespace();
    let (state, _parent, of) = (fields.next(), fields.next(), fields.next());
    let ended = matches!(state, None | Some("Z" | "X"));
    !ended && of.and_then(|of| of.parse().ok()) == Some(group)
}

/// Returns an id that changes with every boot; `None` if the platform does not report one.
pub fn boot_id() -> Option<String> {
    let id = linux_file("/proc/sys/kernel/random/boot_id")?;
    Some(id.trim().to_owned())
}

/// Returns an id of the machine, or its name if it has none, as in a container.
pub fn machine_id() -> Option<String> {
    let id = linux_file("/etc/machine-id").unwrap_or_default();
    match id.trim() {
        "" => {
            let name = rustix::system::uname().nodename().to_str().ok()?.to_owned();
            Some(format!("name {name}"))
        }
        id => Some(id.to_owned()),
    }
}

/// Returns an id of the namespace of process ids; `None` if the platform does not report one.
pub fn pid_namespace() -> Option<String> {
    if cfg!(not(target_os = "linux")) {
        return None;
    }
    let link = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(link.display().to_string())
}

/// The command's name may contain spaces and parentheses, but the fields after it do not.
fn parse_start(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(START_FIELD)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_command_name_is_parsed() {
        let stat = "7 (a) b) c) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 1000 200";
        assert_eq!(parse_start(stat), Some(4_242));
        assert_eq!(parse_start("7 (a) S 1"), None);
    }

    #[test]
    fn process_of_a_group_is_found_unless_it_has_ended() {
        let stat = |state, group| format!("7 (a) Z) {state} 1 {group} 7 0 -1");
        assert!(runs_in(&stat("S", 5), 5));
        assert!(runs_in(&stat("T", 5), 5));
        assert!(!runs_in(&stat("S", 6), 5));
        assert!(!runs_in(&stat("Z", 5), 5));
        assert!(!runs_in("7 (a)", 5));
        let own = rustix::process::getpgrp();
        let expected = cfg!(target_os = "linux").then_some(true);
        assert_eq!(group_is_running(own), expected);
    }

    #[test]
    fn child_is_running_until_it_has_ended() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        assert!(is_running(pid));
        assert_eq!(process_start(pid).is_some(), cfg!(target_os = "linux"));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!is_running(pid));
    }
}
