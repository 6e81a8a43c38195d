//! Other people's clients, installed once under `target/` from their package indexes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Long enough for a slow index; without network the steps fail long before.
const STEP_DEADLINE: Duration = Duration::from_secs(120);

/// The shell, and the version that was tried.
const MONGOSH: &str = "mongosh@2.12.0";

/// The command-line client of librdkafka, as Debian names its package.
const KCAT: &str = "kcat";

/// Calls the unpacked program, whichever folder its libraries have on this kind of machine.
const KCAT_WITH_ITS_LIBRARIES: &str = r#"#!/bin/sh
root=$(dirname "$0")/../unpacked/usr
LD_LIBRARY_PATH=$(echo "$root"/lib/*/ | tr ' ' ':') exec "$root/bin/kcat" "$@"
"#;

/// Returns Python with the packages of a requirements file, or says why there is none.
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

/// Returns MongoDB's shell, or says why there is none.
pub fn mongosh() -> Result<PathBuf, String> {
    let folder = cache("mongosh");
    let mongosh = folder.join("node_modules/.bin/mongosh");
    if installed(&folder, MONGOSH) {
        return Ok(mongosh);
    }
    fs::create_dir_all(&folder).unwrap();
    step(
        Command::new("npm")
            .args([
                "install",
                "--silent",
                "--no-audit",
                "--no-fund",
                "--ignore-scripts",
            ])
            .args([
                "--fetch-retries",
                "1",
                "--fetch-timeout",
                "30000",
                "--prefix",
            ])
            .arg(&folder)
            .arg(MONGOSH),
    )?;
    fs::write(folder.join(RECEIPT), MONGOSH).unwrap();
    Ok(mongosh)
}

/// Returns the directory to put before `PATH` so that `kcat` is found: none if it is there already.
///
/// Elsewhere it is unpacked from Debian's packages, for which nobody must be root.
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
        return Err("`kcat` is not installed, and there is no `apt-get` to get it by".to_owned());
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
        return Err("`apt-get` counts `kcat` as installed, but it is not on the `PATH`".to_owned());
    }
    fs::create_dir_all(&programs).unwrap();
    let calls = programs.join(KCAT);
    fs::write(&calls, KCAT_WITH_ITS_LIBRARIES).unwrap();
    fs::set_permissions(&calls, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(folder.join(RECEIPT), KCAT).unwrap();
    Ok(Some(programs))
}

/// Prepares `apt-get` to keep everything that it writes in a folder.
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

/// Whether a program can be called by its name.
fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// Written when everything is installed: what it was.
const RECEIPT: &str = "installed.txt";

fn installed(folder: &Path, wanted: &str) -> bool {
    fs::read_to_string(folder.join(RECEIPT)).is_ok_and(|receipt| receipt == wanted)
}

fn cache(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("clients")
        .join(name)
}

/// Runs one command to its end or its deadline; says why it failed.
fn step(command: &mut Command) -> Result<(), String> {
    let shown = format!("{command:?}");
    let mut step = assert_cmd::Command::from_std(std::mem::replace(command, Command::new("")));
    let output = step.timeout(STEP_DEADLINE).output();
    let output = output.map_err(|error| format!("{shown}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let complained = String::from_utf8_lossy(&output.stderr);
    let last = complained
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty());
    Err(format!("{shown}: {}", last.unwrap_or("no reason given")))
}
