//! Other people's clients, installed once under `target/` from their package indexes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Long enough for a slow index; without network the steps fail long before.
const STEP_DEADLINE: Duration = Duration::from_secs(120);

/// The shell, and the version that was tried.
const MONGOSH: &str = "mongosh@2.12.0";

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

/// Whether a program can be called by its name.
pub fn on_path(program: &str) -> bool {
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
