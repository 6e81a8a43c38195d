//! Images for the tests of containers, made of this machine's own files: none is pulled.
//!
//! They hold `examples/stand_in.rs` and the libraries it is linked to. See there for what they
//! stand in for, and for what they cannot show.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use convoy::measure::RunClock;

/// Names of the images; tags say how they behave.
pub const REDPANDA: &str = "convoy-test/redpanda";
pub const MONGO: &str = "convoy-test/mongo";

/// Tag → what is put before the arguments.
const TAGS: [(&str, &str); 3] = [("works", ""), ("dies", "dies"), ("silent", "silent")];

/// The container engine, held by one test at a time: each looks at everything in it.
pub struct Engine {
    _alone: MutexGuard<'static, ()>,
}

impl Engine {
    /// Takes the engine, with the images in it and nothing left in it by convoy.
    pub fn with_images() -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        static IMAGES: OnceLock<()> = OnceLock::new();
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        IMAGES.get_or_init(make_images);
        let engine = Self { _alone: alone };
        for id in engine.containers() {
            docker(&["rm", "--force", "--volumes", &id]);
        }
        engine
    }

    #[expect(clippy::unused_self, reason = "only who holds the engine may look")]
    /// Ids of all containers that convoy started, running or not.
    pub fn containers(&self) -> Vec<String> {
        let list = docker(&["ps", "--all", "--quiet", "--filter", "label=convoy.run"]);
        list.lines().map(str::to_owned).collect()
    }

    #[expect(clippy::unused_self, reason = "only who holds the engine may kill")]
    /// Kills the containers of an image.
    pub fn kill(&self, image: &str) {
        let filter = format!("ancestor={image}:works");
        for id in docker(&["ps", "--quiet", "--filter", &filter]).lines() {
            docker(&["kill", id]);
        }
    }
}

impl Engine {
    #[expect(clippy::unused_self, reason = "only who holds the engine may look")]
    /// Waits until so many containers of convoy run.
    pub fn until_running(&self, count: usize) {
        const DEADLINE: Duration = Duration::from_secs(60);
        let clock = RunClock::start();
        let running = || docker(&["ps", "--quiet", "--filter", "label=convoy.run"]);
        while running().lines().count() < count {
            assert!(Duration::from_nanos(clock.now()) < DEADLINE);
        }
    }

    #[expect(clippy::unused_self, reason = "only who holds the engine may pause")]
    /// Stops the containers of an image from running for longer than a request may take.
    pub fn pause(&self, image: &str) {
        const PAUSE: Duration = Duration::from_secs(12);
        let filter = format!("ancestor={image}:works");
        for id in docker(&["ps", "--quiet", "--filter", &filter]).lines() {
            docker(&["pause", id]);
            std::thread::sleep(PAUSE);
            docker(&["unpause", id]);
        }
    }
}

fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("these tests need the command `docker`");
    assert!(
        output.status.success(),
        "docker {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn make_images() {
    let staging = tempfile::tempdir().unwrap();
    let program = staging.path().join("stand-in");
    fs::copy(build(), &program).unwrap();
    // Symbols make nine tenths of it; without `strip` it is only larger.
    let _stripped = Command::new("strip").arg(&program).status();
    fs::create_dir(staging.path().join("tmp")).unwrap();
    for library in libraries(&program) {
        let copy = staging.path().join(library.strip_prefix("/").unwrap());
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(&library, copy).unwrap();
    }
    let archive = Command::new("tar")
        .args(["--create", "--directory"])
        .arg(staging.path())
        .arg(".")
        .output()
        .unwrap();
    assert!(archive.status.success());
    for image in [REDPANDA, MONGO] {
        for (tag, behaviour) in TAGS {
            let entry = if behaviour.is_empty() {
                r#"ENTRYPOINT ["/stand-in"]"#.to_owned()
            } else {
                format!(r#"ENTRYPOINT ["/stand-in", "{behaviour}"]"#)
            };
            import(&archive.stdout, &entry, &format!("{image}:{tag}"));
        }
    }
}

fn import(archive: &[u8], entry: &str, image: &str) {
    let mut import = Command::new("docker")
        .args(["import", "--change", entry, "-", image])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("these tests need the command `docker`");
    import.stdin.take().unwrap().write_all(archive).unwrap();
    assert!(import.wait().unwrap().success(), "docker import {image}");
}

/// Builds the program in the profile of these tests and returns where it is.
fn build() -> PathBuf {
    let profile = Path::new(env!("CARGO_BIN_EXE_convoy")).parent().unwrap();
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--locked", "--example", "stand_in"]);
    if profile.ends_with("release") {
        build.arg("--release");
    }
    let built = build.current_dir(env!("CARGO_MANIFEST_DIR")).status();
    assert!(built.unwrap().success(), "cargo build --example stand_in");
    profile.join("examples/stand_in")
}

/// The shared libraries of a program, its loader included.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let output = Command::new("ldd").arg(program).output().unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}
