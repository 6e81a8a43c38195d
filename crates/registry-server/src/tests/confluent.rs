//! Confluent's own Python client against the registry: the scripts in `tests/clients/registry`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tests::*;

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/registry");

const PACKAGE: &str = "confluent-kafka[schemaregistry,json,avro]";

/// Makes a throw-away Python environment with the client in it.
fn python(folder: &Path) -> PathBuf {
    let environment = folder.join("python");
    let made = Command::new("python3")
        .args(["-m", "venv"])
        .arg(&environment)
        .status();
    assert!(made.expect("python3 is installed").success());
    let python = environment.join("bin/python");
    let installed = Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", PACKAGE])
        .status();
    assert!(installed.expect("pip runs").success());
    python
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs confluent-kafka from PyPI"]
async fn confluents_python_client_is_served() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let python = python(folder.path());
    let user = Credentials {
        user: "key".to_owned(),
        password: "secret".to_owned(),
    };
    let server = start_with(Settings {
        data_dir: Some(folder.path().join("registry")),
        users: vec![user],
        ..settings()
    })
    .await;
    let mut scripts: Vec<_> = std::fs::read_dir(SCRIPTS)
        .expect("the scripts are there")
        .map(|entry| entry.expect("the folder is readable").path())
        .collect();
    scripts.sort();
    assert!(!scripts.is_empty());
    for script in scripts {
        let ran = Command::new(&python)
            .arg(&script)
            .args([server.url().as_str(), "key:secret"])
            .output()
            .expect("python runs");
        let errors = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{}: {errors}", script.display());
    }
}
