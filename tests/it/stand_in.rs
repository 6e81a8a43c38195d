//! The container engine of the tests and its images, which `examples/stand_in` builds and describes.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use convoy_server_kit::RunClock;

/// Names of the images; tags select their behaviour.
pub const REDPANDA: &str = "convoy-test/redpanda";
pub const MONGO: &str = "convoy-test/mongo";

/// The container engine, used by one test at a time because each test lists all containers.
pub struct Engine {
    _alone: MutexGuard<'static, ()>,
}

impl Engine {
    /// Locks the engine, builds the images and removes all containers of convoy.
    pub fn with_images() -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        static IMAGES: OnceLock<()> = OnceLock::new();
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        IMAGES.get_or_init(make_images);
        let engine = Self { _alone: alone };
        engine.remove_containers();
        engine
    }

    /// Removes all containers of convoy.
    pub fn remove_containers(&self) {
        for id in self.containers() {
            docker(&["rm", "--force", "--volumes", &id]);
        }
    }

    #[expect(clippy::unused_self, reason = "needs the lock of the engine")]
    /// Returns the ids of all containers of convoy, running or not.
    pub fn containers(&self) -> Vec<String> {
        let list = docker(&["ps", "--all", "--quiet", "--filter", "label=convoy.run"]);
        list.lines().map(str::to_owned).collect()
    }

    #[expect(clippy::unused_self, reason = "needs the lock of the engine")]
    /// Kills the containers of an image.
    pub fn kill(&self, image: &str) {
        let filter = format!("ancestor={image}:works");
        for id in docker(&["ps", "--quiet", "--filter", &filter]).lines() {
            docker(&["kill", id]);
        }
    }
}

impl Engine {
    #[expect(clippy::unused_self, reason = "needs the lock of the engine")]
    /// Waits until this many containers of convoy are running.
    pub fn until_running(&self, count: usize) {
        const DEADLINE: Duration = Duration::from_secs(60);
        let clock = RunClock::start();
        let running = || docker(&["ps", "--quiet", "--filter", "label=convoy.run"]);
        while running().lines().count() < count {
            assert!(Duration::from_nanos(clock.now()) < DEADLINE);
        }
    }

    #[expect(clippy::unused_self, reason = "needs the lock of the engine")]
    /// Pauses the containers of an image for longer than the timeout of a request.
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

/// Builds the images in the profile of these tests.
fn make_images() {
    let profile = Path::new(env!("CARGO_BIN_EXE_convoy")).parent().unwrap();
    let mut run = Command::new(env!("CARGO"));
    run.args(["run", "--quiet", "--locked", "--example", "stand_in"]);
    if profile.ends_with("release") {
        run.arg("--release");
    }
    let made = run
        .args(["--", "images"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdout(Stdio::null())
        .status();
    assert!(made.unwrap().success(), "failed to build the images");
}
