//! A running `convoy up` on free ports.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ExitStatus};

use rustix::process::{Pid, Signal, kill_process};

use crate::place::Place;

/// The command, on free ports.
pub const UP: &str = "up --broker-port 0 --registry-port 0 --store-port 0";

/// The last line of the `.env`.
const LAST: &str = "CONVOY_SASL_MECHANISM=";

/// Running servers, killed if the test ends early.
pub struct Up {
    child: Child,
    /// The `.env`.
    pub env: String,
    /// The directory it runs in, if the test does not keep it.
    place: Option<Place>,
}

impl Up {
    /// Starts the servers in a directory of their own.
    pub fn alone(flags: &str) -> Self {
        let place = Place::empty();
        let mut up = Self::start(&place, flags);
        up.place = Some(place);
        up
    }

    /// Starts the servers on free ports and waits until they printed their `.env`.
    pub fn start(place: &Place, flags: &str) -> Self {
        Self::start_line(place, &format!("{UP} {flags}"))
    }

    /// Starts the servers by a command line and waits until they printed their `.env`.
    pub fn start_line(place: &Place, line: &str) -> Self {
        let mut child = place.start(line);
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut up = Self {
            child,
            env: String::new(),
            place: None,
        };
        while !up.env.lines().any(|line| line.starts_with(LAST)) {
            if stdout.read_line(&mut up.env).unwrap() == 0 {
                let mut stderr_text = String::new();
                let mut stderr = up.child.stderr.take().unwrap();
                stderr.read_to_string(&mut stderr_text).unwrap();
                panic!("the servers did not start: {stderr_text}");
            }
        }
        up
    }

    /// A value of the `.env`.
    pub fn value(&self, name: &str) -> &str {
        self.env
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
            .unwrap_or_else(|| panic!("{name} is in the .env:\n{}", self.env))
    }

    /// Host and port in a variable of the `.env`.
    pub fn address(&self, name: &str) -> &str {
        let value = self.value(name);
        let value = value.split("://").last().unwrap();
        let value = value.split('/').next().unwrap();
        value.rsplit('@').next().unwrap()
    }

    /// The process.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap()
    }

    /// Stops the servers by SIGTERM; returns the exit code and stderr.
    pub fn stop(self) -> (Option<i32>, String) {
        self.stop_by(Signal::TERM)
    }

    /// Stops the servers by a signal; returns the exit code and stderr.
    pub fn stop_by(mut self, signal: Signal) -> (Option<i32>, String) {
        kill_process(self.pid(), signal).unwrap();
        let mut stderr_text = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut stderr_text).unwrap();
        (self.child.wait().unwrap().code(), stderr_text)
    }

    /// Kills the process, as the kernel does when memory is short.
    pub fn kill(mut self) -> ExitStatus {
        kill_process(self.pid(), Signal::KILL).unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
