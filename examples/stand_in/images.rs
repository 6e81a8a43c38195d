//! Builds images of this program from files of this machine, without pulling any.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Names of the images; tags select their behaviour.
const NAMES: [&str; 2] = ["convoy-test/redpanda", "convoy-test/mongo"];

/// Tags, each with the argument that is added in front.
const TAGS: [(&str, &str); 3] = [("works", ""), ("dies", "dies"), ("silent", "silent")];

/// Builds all images and returns their names.
pub fn make() -> Result<Vec<String>, String> {
    let archive = archive(&std::env::current_exe().map_err(text)?)?;
    let mut images = Vec::new();
    for name in NAMES {
        for (tag, behaviour) in TAGS {
            let image = format!("{name}:{tag}");
            import(&archive, behaviour, &image)?;
            images.push(image);
        }
    }
    Ok(images)
}

/// Returns a tar archive of a program and its shared libraries.
fn archive(program: &Path) -> Result<Vec<u8>, String> {
    let staging = tempfile::tempdir().map_err(text)?;
    let copy = staging.path().join("stand-in");
    fs::copy(program, &copy).map_err(text)?;
    // Nine tenths of it are symbols; if `strip` is missing, the image is just larger.
    let _stripped = Command::new("strip").arg(&copy).status();
    fs::create_dir(staging.path().join("tmp")).map_err(text)?;
    for library in libraries(program)? {
        let copy = staging
            .path()
            .join(library.strip_prefix("/").unwrap_or(&library));
        fs::create_dir_all(copy.parent().unwrap_or(staging.path())).map_err(text)?;
        fs::copy(&library, copy).map_err(text)?;
    }
    let directory = staging.path().as_os_str();
    output(
        "tar",
        &[
            "--create".as_ref(),
            "--directory".as_ref(),
            directory,
            ".".as_ref(),
        ],
    )
}

/// Returns the shared libraries of a program, with its loader.
fn libraries(program: &Path) -> Result<Vec<PathBuf>, String> {
    let listed = output("ldd", &[program.as_os_str()])?;
    Ok(String::from_utf8_lossy(&listed)
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .collect())
}

fn import(archive: &[u8], behaviour: &str, image: &str) -> Result<(), String> {
    let entry = if behaviour.is_empty() {
        r#"ENTRYPOINT ["/stand-in"]"#.to_owned()
    } else {
        format!(r#"ENTRYPOINT ["/stand-in", "{behaviour}"]"#)
    };
    let mut import = Command::new("docker")
        .args(["import", "--change", &entry, "-", image])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| format!("docker: {error}"))?;
    let written = import
        .stdin
        .take()
        .map(|mut input| input.write_all(archive));
    let status = import.wait().map_err(text)?;
    if !status.success() {
        return Err(format!("docker import {image}: {status}"));
    }
    written.unwrap_or(Ok(())).map_err(text)
}

fn output(program: &str, arguments: &[&OsStr]) -> Result<Vec<u8>, String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{program}: {}", errors.trim_end()));
    }
    Ok(output.stdout)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
