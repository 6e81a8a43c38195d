//! Installs clients from PyPI, npm and Debian, once, into `target/`.
//!
//! Each function returns the reason to skip a test if a program or the network is missing. It panics
//! if the installation fails for another reason.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Enough for a slow index. Without a network the steps fail long before.
const STEP_DEADLINE: Duration = Duration::from_secs(120);

const MONGOSH: &str = "mongosh@2.12.0";

/// The command-line client of librdkafka: program, and package of Debian.
const KCAT: &str = "kcat";

/// Runs the unpacked program. The directory of its libraries depends on the architecture.
const KCAT_WITH_ITS_LIBRARIES: &str = r#"#!/bin/sh
root=$(dirname "$0")/../unpacked/usr
LD_LIBRARY_PATH=$(echo "$root"/lib/*/ | tr ' ' ':') exec "$root/bin/kcat" "$@"
"#;

/// Parts of messages by which Python, pip, npm and apt-get report a missing network or module.
const UNAVAILABLE: &[&str] = &[
    "Could not connect",
    "Could not resolve",
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ECONNRESET",
    "ENETUNREACH",
    "ENOTFOUND",
    "ERR_SOCKET_TIMEOUT",
    "ETIMEDOUT",
    "Failed to establish a new connection",
    "Name or service not known",
    "Network is unreachable",
    "ProxyError",
    "Read timed out",
    "Temporary failure in name resolution",
    "Temporary failure resolving",
    "Unable to connect",
    "connect timeout",
    "ensurepip is not available",
];

/// Returns Python with the packages of a requirements file.
pub fn python(requirements: &Path) -> Result<PathBuf, String> {
    let wanted = fs::read_to_string(requirements).unwrap();
    let environment = cache("python");
    let python = environment.join("bin/python");
    if installed(&environment, &wanted) {
        return Ok(python);
    }
    drop(fs::remove_dir_all(&environment));
    step(
        Command::new("python3")
            .args(["-m", "venv"])
            .arg(&environment),
    )?;
    step(
        Command::new(&python)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ])
            .args(["--retries", "1", "--timeout", "15", "--requirement"])
            .arg(requirements),
    )?;
    fs::write(environment.join(RECEIPT), wanted).unwrap();
    Ok(python)
}

/// Returns MongoDB's shell.
pub fn mongosh() -> Result<PathBuf, String> {
    let folder = cache("mongosh");
    let mongosh = folder.join("node_modules/.bin/mongosh");
    if installed(&folder, MONGOSH) {
        return Ok(mongosh);
    }
    fs::create_dir_all(&folder).unwrap();
    let options = [
        "--loglevel=error",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--fetch-retries=1",
        "--fetch-retry-mintimeout=1000",
        "--fetch-timeout=30000",
    ];
    // A cache of its own: without a network npm would try every package before it takes the user's.
    let mut npm = Command::new("npm");
    npm.arg("install").args(options).arg("--cache");
    npm.arg(folder.join("cache")).arg("--prefix").arg(&folder);
    step(npm.arg(MONGOSH))?;
    fs::write(folder.join(RECEIPT), MONGOSH).unwrap();
    Ok(mongosh)
}

/// Returns the directory to put before `PATH` so that `kcat` is found; `None` if it is on `PATH`.
///
/// Unpacks Debian's packages, which does not need root.
pub fn kcat() -> Result<Option<PathBuf>, String> {
    if on_path(KCAT) {
        return Ok(None);
    }
    let folder = cache(KCAT);
    let programs = folder.join("bin");
    if installed(&folder, KCAT) {
        return Ok(Some(programs));
    }
    if !on_path("apt-get") {
        return Err("neither `kcat` nor `apt-get` is installed".to_owned());
    }
    drop(fs::remove_dir_all(&folder));
    let archives = folder.join("cache/archives");
    for directory in [archives.join("partial"), folder.join("lists/partial")] {
        fs::create_dir_all(directory).unwrap();
    }
    step(apt_get(&folder).arg("update"))?;
    step(apt_get(&folder).args([
        "install",
        "--yes",
        "--download-only",
        "--no-install-recommends",
        KCAT,
    ]))?;
    let unpacked = folder.join("unpacked");
    for archive in fs::read_dir(&archives).unwrap() {
        let archive = archive.unwrap().path();
        if archive.extension().is_some_and(|it| it == "deb") {
            step(
                Command::new("dpkg-deb")
                    .arg("--extract")
                    .arg(archive)
                    .arg(&unpacked),
            )?;
        }
    }
    if !unpacked.join("usr/bin").join(KCAT).is_file() {
        return Err("Debian's `kcat` is installed, but not on `PATH`".to_owned());
    }
    fs::create_dir_all(&programs).unwrap();
    let calls = programs.join(KCAT);
    fs::write(&calls, KCAT_WITH_ITS_LIBRARIES).unwrap();
    fs::set_permissions(&calls, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(folder.join(RECEIPT), KCAT).unwrap();
    Ok(Some(programs))
}

/// Returns a command of `apt-get` that writes into one directory only.
fn apt_get(folder: &Path) -> Command {
    let place = |option: &str, name: &str| format!("{option}={}", folder.join(name).display());
    let options = [
        "Debug::NoLocking=1".to_owned(),
        "Acquire::Retries=0".to_owned(),
        "Acquire::http::Timeout=15".to_owned(),
        "Acquire::https::Timeout=15".to_owned(),
        place("Dir::Cache", "cache"),
        place("Dir::State::lists", "lists"),
    ];
    let mut command = Command::new("apt-get");
    command.arg("--quiet").args(
        options
            .iter()
            .flat_map(|option| ["--option", option.as_str()]),
    );
    command
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// A file with the names of the packages, written when all of them are installed.
const RECEIPT: &str = "installed.txt";

fn installed(folder: &Path, wanted: &str) -> bool {
    fs::read_to_string(folder.join(RECEIPT)).is_ok_and(|receipt| receipt == wanted)
}

fn cache(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("clients")
        .join(name)
}

/// Runs one command; returns the reason to skip if its program or the network is missing.
fn step(command: &mut Command) -> Result<(), String> {
    let shown = format!("{command:?}");
    let program = command.get_program().display().to_string();
    let mut step = assert_cmd::Command::from_std(std::mem::replace(command, Command::new("")));
    let output = match step.timeout(STEP_DEADLINE).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(format!("`{program}`: {error}"));
        }
        output => output.unwrap(),
    };
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let stdout = String::from_utf8_lossy(&output.stdout);
    let reason = [&stderr, &stdout]
        .into_iter()
        .flat_map(|text| text.lines())
        .find(|line| UNAVAILABLE.iter().any(|part| line.contains(part)));
    match reason {
        Some(line) => Err(format!("`{program}`: {line}")),
        None => panic!("{shown} failed with {}:\n{stdout}\n{stderr}", output.status),
    }
}
