//! Dataset, directories and ports of a run.

use std::net::TcpListener;
use std::path::Path;

use rustix::fs::statvfs;

use crate::command::doctor::Finding;
use crate::error::Error;
use crate::report::quantity;
use crate::settings::SimulateSettings;
use crate::trial::Rows;

/// Free disk space without which even a run of a few records fails.
const ROOM_TO_START: u64 = 256 << 10;

/// Free disk space that a typical run needs.
const ROOM_FOR_A_RUN: u64 = 200 << 20;

/// Free disk space that a long or fast run needs: 2.5 KB per record in broker and store.
const ROOM_FOR_A_LONG_RUN: u64 = 2 << 30;

/// Default ports of a broker and a store, with the options that select them.
const DEFAULT_PORTS: [(u16, &str, &str); 2] = [
    (9_092, "broker", "--broker-port"),
    (27_017, "store", "--store-port"),
];

/// Checks everything.
pub(super) fn examine(settings: &SimulateSettings, rows: &Result<Rows, Error>) -> Vec<Finding> {
    let temporary = std::env::temp_dir();
    let mut findings = vec![
        dataset(&settings.load.dataset, rows),
        output(&settings.report.output),
        room(
            "temporary data",
            &temporary,
            "set `TMPDIR`, or pass `--data-dir DIR`",
        ),
        loopback(),
    ];
    findings.extend(default_ports());
    findings
}

fn dataset(path: &Path, rows: &Result<Rows, Error>) -> Finding {
    match rows {
        Ok(rows) => {
            let path = path.display();
            let rows = quantity::count(rows.workload.rows());
            Finding::ok("dataset", format!("{rows} rows in `{path}`"))
        }
        Err(error) => Finding::failed("dataset", error),
    }
}

/// Checks the nearest existing directory, because a run creates the rest.
fn output(path: &Path) -> Finding {
    let nearest = path
        .ancestors()
        .find(|ancestor| ancestor.exists())
        .unwrap_or_else(|| Path::new("."));
    let fix = "pass a writable directory: `--output DIR`";
    match tempfile::tempdir_in(nearest) {
        Ok(_removed_at_once) => room("output", nearest, fix),
        Err(error) => {
            let seen = format!("cannot write to `{}`: {error}", nearest.display());
            Finding::broken("output", seen, fix)
        }
    }
}

fn room(subject: &'static str, path: &Path, fix: &str) -> Finding {
    let shown = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    let Ok(system) = statvfs(shown) else {
        let seen = format!("cannot read `{}`", shown.display());
        return Finding::broken(subject, seen, fix);
    };
    let free = system.f_bavail.saturating_mul(system.f_frsize);
    let seen = format!(
        "{} free in `{}`",
        quantity::bytes(free as f64),
        shown.display()
    );
    if free < ROOM_TO_START {
        Finding::broken(subject, seen, fix)
    } else if free < ROOM_FOR_A_RUN {
        Finding::limited(
            subject,
            format!("{seen}: too little for a typical run"),
            fix,
        )
    } else if free < ROOM_FOR_A_LONG_RUN {
        Finding::limited(subject, format!("{seen}: enough for short runs only"), fix)
    } else {
        Finding::ok(subject, seen)
    }
}

fn loopback() -> Finding {
    match TcpListener::bind(("127.0.0.1", 0)) {
        Ok(_closed_at_once) => Finding::ok("loopback", "can listen on 127.0.0.1"),
        Err(error) => Finding::broken(
            "loopback",
            format!("cannot listen on 127.0.0.1: {error}"),
            "enable the loopback interface: sudo ip link set lo up",
        ),
    }
}

/// A default port in use is not a problem: runs use free ports unless an option selects one.
fn default_ports() -> Vec<Finding> {
    DEFAULT_PORTS
        .iter()
        .map(
            |(port, server, flag)| match TcpListener::bind(("127.0.0.1", *port)) {
                Ok(_closed_at_once) => Finding::ok("port", format!("{port} is free for `{flag}`")),
                Err(_taken) => Finding::ok(
                    "port",
                    format!("{port} is in use, perhaps by a {server}; runs use a free port"),
                ),
            },
        )
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::doctor::Level;

    #[test]
    fn output_directory_may_be_missing_but_must_be_creatable() {
        let place = tempfile::tempdir().unwrap();
        assert_ne!(output(&place.path().join("a/b/c")).level, Level::Broken);
        let file = place.path().join("file");
        std::fs::write(&file, "not a directory").unwrap();
        assert_eq!(output(&file.join("runs")).level, Level::Broken);
    }
}
