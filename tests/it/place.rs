//! A directory to run convoy in, with an empty environment.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::Duration;

use regex::Regex;
use tempfile::TempDir;

/// A command of these tests takes a tenth of this on an idle machine.
const DEADLINE: Duration = Duration::from_secs(120);

/// A directory to run convoy in, and one for its temporary files.
pub struct Place {
    directory: TempDir,
    temporary: TempDir,
    variables: Vec<(&'static str, String)>,
}

impl Place {
    pub fn empty() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            temporary: tempfile::tempdir().unwrap(),
            // Some tests need the container engine of this machine.
            variables: std::env::var("DOCKER_HOST")
                .map(|host| ("DOCKER_HOST", host))
                .into_iter()
                .collect(),
        }
    }

    /// A place with a dataset of a few rows, `rows.csv`.
    pub fn with_rows() -> Self {
        Self::empty().file(
            "rows.csv",
            "class,aa_000,ab_000\nneg,1,2.5\npos,na,0.5\nneg,3,\n",
        )
    }

    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    pub fn variable(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Returns the directory of the only run.
    pub fn only_run(&self) -> PathBuf {
        let entries = fs::read_dir(self.path("runs")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let runs: Vec<PathBuf> = paths.filter(|path| path.is_dir()).collect();
        assert_eq!(runs.len(), 1, "{runs:?}");
        runs[0].clone()
    }

    pub fn temporary(&self) -> &Path {
        self.temporary.path()
    }

    /// Starts convoy with its streams piped; the caller ends it.
    pub fn start(&self, line: &str) -> Child {
        std::process::Command::new(env!("CARGO_BIN_EXE_convoy"))
            .args(line.split_whitespace())
            .current_dir(self.directory.path())
            .env_clear()
            .env("TMPDIR", self.temporary.path())
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    pub fn convoy(&self, line: &str) -> Outcome {
        self.convoy_words(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// Runs convoy with arguments that may contain blanks.
    pub fn convoy_words(&self, arguments: &[&str]) -> Outcome {
        self.run(env!("CARGO_BIN_EXE_convoy"), arguments)
    }

    /// Runs convoy in a shell, after a command that limits it.
    pub fn convoy_within(&self, limit: &str, line: &str) -> Outcome {
        let script = format!("{limit} && exec \"$0\" {line}");
        self.run("/bin/sh", &["-c", &script, env!("CARGO_BIN_EXE_convoy")])
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Outcome {
        let output = assert_cmd::Command::new(program)
            .args(arguments)
            .current_dir(self.directory.path())
            .env_clear()
            .env("TMPDIR", self.temporary.path())
            .envs(self.variables.iter().cloned())
            .timeout(DEADLINE)
            .output()
            .unwrap();
        Outcome::new(&output, self.directory.path())
    }
}

/// Exit code and streams of a command, with the names of directory and run replaced.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    fn new(output: &Output, directory: &Path) -> Self {
        let run_id = Regex::new(r"\b\d{8}-\d{6}-[0-9a-f]{4}\b").unwrap();
        let text = |bytes: &[u8]| {
            let text = String::from_utf8(bytes.to_vec()).expect("convoy writes UTF-8");
            let text = text.replace(&directory.display().to_string(), "[PLACE]");
            run_id.replace_all(&text, "[RUN]").into_owned()
        };
        Self {
            code: output.status.code().expect("convoy exits by itself"),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "exit {}\n--- stdout\n{}\n--- stderr\n{}",
            self.code,
            self.stdout.trim_end(),
            self.stderr.trim_end()
        )
    }
}
