//! Environment variables: those of the process, then those of a file, usually `.env`.
//!
//! Every option has a variable: `CONVOY_` and its name in capitals, such as `CONVOY_BATCH_WAIT` for
//! `--batch-wait`. These variables have a second name, or no option:
//!
//! | variable | second name | value |
//! |---|---|---|
//! | `CONVOY_BROKER` | `BOOTSTRAP_SERVER` | addresses of the broker |
//! | `CONVOY_BROKER_USERNAME`, `…_PASSWORD` | `API_KEY`, `API_SECRET_KEY` | credentials for the broker |
//! | `CONVOY_REGISTRY_URL` | `ENDPOINT_SCHEMA_URL` | URL of the Schema Registry |
//! | `CONVOY_REGISTRY_USERNAME`, `…_PASSWORD` | `SCHEMA_REGISTRY_API_KEY`, `…_SECRET` | credentials for the registry |
//! | `CONVOY_STORE` | `MONGO_DB_URL` | URI of the store, with its credentials |
//! | `CONVOY_PASSWORD` | | password for `convoy up --user` |
//! | `CONVOY_LOG` | | filter of the log file, in the syntax of `tracing` |
//! | `DOCKER_HOST`, `DOCKER_CONTEXT`, `DOCKER_CONFIG` | | address of the container engine; not from a file |
//! | `NO_COLOR`, `CLICOLOR=0` | | disables colors; not from a file |
//! | `CLICOLOR_FORCE` | | enables colors if the output is not a terminal; not from a file |
//!
//! An empty variable counts as not set.

mod account;
mod dotenv;
mod names;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use convoy_server_kit::Secret;

use crate::cli::error::Error;
use crate::cli::origin::Origin;
use crate::containers::engine::DockerEnv;
use crate::suggest::most_similar;
use crate::terminal::Colors;

pub(super) use names::variables_of;

/// File that is read unless an option says otherwise.
pub(super) const DEFAULT_FILE: &str = ".env";

/// Largest file that is read.
const MAX_FILE: u64 = 1 << 20;

/// Lines that a note lists.
const MAX_LISTED: usize = 5;

/// Words that are complete filters of the log.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// File to read variables from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FileChoice {
    None,
    /// `.env`, if there is one.
    Default,
    /// A file that the user names.
    Named(PathBuf),
}

/// Where variables are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layer {
    Process,
    File,
}

impl Layer {
    /// In order of precedence.
    const ALL: [Self; 2] = [Self::Process, Self::File];
}

/// The variables of a file.
struct Variables {
    /// Path as messages show it.
    path: PathBuf,
    /// Value and line by name.
    values: BTreeMap<String, (String, usize)>,
}

/// A value of an option in a variable.
pub(super) struct Candidate {
    pub value: OsString,
    pub origin: Origin,
    /// Whether the variable is one of convoy's own, in the environment of the process.
    pub explicit: bool,
}

/// The variables that were set when the program started.
pub struct Environment {
    process: BTreeMap<String, OsString>,
    directory: PathBuf,
    file: Option<Variables>,
    /// What the user should know about the variables.
    notes: RefCell<Vec<String>>,
}

impl Environment {
    /// Takes the variables of the process. Files are looked up in `directory`.
    pub fn new(
        process: impl IntoIterator<Item = (OsString, OsString)>,
        directory: impl Into<PathBuf>,
    ) -> Self {
        let process = process.into_iter().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            (!value.is_empty()).then_some((name, value))
        });
        Self {
            process: process.collect(),
            directory: directory.into(),
            file: None,
            notes: RefCell::default(),
        }
    }

    /// Adds the variables of a file, and notes what of it has no effect. Only a file that the user
    /// names must be readable.
    pub(super) fn read(&mut self, choice: &FileChoice) -> Result<(), Error> {
        let (path, named) = match choice {
            FileChoice::None => return Ok(()),
            FileChoice::Default => (Path::new(DEFAULT_FILE), false),
            FileChoice::Named(path) => (path.as_path(), true),
        };
        let shown = path.to_owned();
        let bytes = match read_file(&self.directory.join(path), named) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(()),
            Err(source) if named => {
                return Err(Error::ReadEnvironmentFile {
                    path: shown,
                    source,
                });
            }
            Err(error) => {
                self.note(format!("cannot read `{}`: {error}", shown.display()));
                return Ok(());
            }
        };
        let process = |name: &str| self.text_in_process(name).map(str::to_owned);
        let content = dotenv::parse(&bytes, process);
        if let Some(lines) = lines(&content.skipped) {
            let path = shown.display();
            self.note(format!("`{path}`: skipped {lines}: not `NAME=value`"));
        }
        let assignments = content.assignments.into_iter();
        let assignments = assignments.map(|it| (it.name, (it.value, it.line)));
        let mut values: BTreeMap<_, _> = assignments.collect();
        values.retain(|_name, (value, _line)| !value.is_empty());
        self.file = Some(Variables {
            path: shown,
            values,
        });
        Ok(())
    }

    /// Notes variables with our prefix that have no effect.
    pub(super) fn note_misspelt(&self) {
        let process = self.process.iter().filter_map(|(name, value)| {
            let found = names::misspelt(name, &value.to_string_lossy())?;
            Some((found, format!("`{name}`")))
        });
        let file = self.file.iter().flat_map(|file| {
            file.values.iter().filter_map(|(name, (value, _line))| {
                let found = names::misspelt(name, value)?;
                Some((found, self.origin(Layer::File, name).to_string()))
            })
        });
        for (found, place) in process.chain(file) {
            let suggestion = found
                .suggestion
                .map_or_else(String::new, |known| format!("; did you mean `{known}`?"));
            self.note(format!("{place} has no effect: unknown name{suggestion}"));
        }
        if let Some(filter) = self.log_filter()
            && let Some(word) = misspelt_level(filter)
        {
            let known = LEVELS.map(str::to_owned);
            let level = most_similar(&word.to_lowercase(), &known).unwrap_or_default();
            self.note(format!(
                "`CONVOY_LOG`: `{word}` is not a level; did you mean `{level}`?"
            ));
        }
    }

    /// Keeps a note for the user.
    pub(super) fn note(&self, note: String) {
        let mut notes = self.notes.borrow_mut();
        if !notes.contains(&note) {
            notes.push(note);
        }
    }

    /// Returns the notes so far, and forgets them.
    pub(super) fn take_notes(&self) -> Vec<String> {
        self.notes.take()
    }

    /// Returns the values of an option, the one with precedence first.
    pub(super) fn candidates(&self, option: &str) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        for layer in Layer::ALL {
            for (index, name) in variables_of(option).into_iter().enumerate() {
                let value = match layer {
                    Layer::Process => self.process.get(&name).cloned(),
                    Layer::File => self.text(Layer::File, &name).map(OsString::from),
                };
                let value =
                    value.filter(|it| !names::is_service_link(&name, &it.to_string_lossy()));
                candidates.extend(value.map(|value| Candidate {
                    value,
                    origin: self.origin(layer, &name),
                    explicit: layer == Layer::Process && index == 0,
                }));
            }
        }
        candidates
    }

    /// Returns the value of an option in the environment of the process.
    pub(super) fn in_process(&self, option: &str) -> Option<&OsStr> {
        let value = self.process.get(&names::own_name(option))?;
        Some(value)
    }

    /// Returns the password for `convoy up`.
    pub(super) fn password(&self) -> Result<Option<Secret>, Error> {
        match self.first("CONVOY_PASSWORD") {
            // It must fit into the line of a `.env`.
            Some(password) if password.contains(char::is_control) => Err(Error::ControlCharacter {
                variable: "CONVOY_PASSWORD",
            }),
            password => Ok(password.map(Secret::new)),
        }
    }

    /// Returns the filter of the log file.
    pub(super) fn log_filter(&self) -> Option<&str> {
        self.first("CONVOY_LOG")
    }

    /// Returns the file to which GitHub's runner wants a summary of the job.
    pub(super) fn step_summary(&self) -> Option<PathBuf> {
        self.process.get("GITHUB_STEP_SUMMARY").map(PathBuf::from)
    }

    /// Returns the variables about container engines. A file cannot set them: the client of the
    /// engine reads the environment of the process.
    pub(super) fn docker_env(&self) -> DockerEnv {
        let text = |name| self.text_in_process(name).map(str::to_owned);
        let path = |name| self.text_in_process(name).map(PathBuf::from);
        DockerEnv {
            docker_host: text("DOCKER_HOST"),
            docker_context: text("DOCKER_CONTEXT"),
            docker_config: path("DOCKER_CONFIG"),
            runtime_directory: path("XDG_RUNTIME_DIR"),
            home: path("HOME"),
        }
    }

    /// Returns when output is colored.
    pub fn colors(&self) -> Colors {
        let set = |name| self.text_in_process(name).is_some_and(|value| value != "0");
        if self.process.contains_key("NO_COLOR") {
            Colors::Never
        } else if set("CLICOLOR_FORCE") {
            Colors::Always
        } else if self.text_in_process("TERM") == Some("dumb")
            || self.text_in_process("CLICOLOR") == Some("0")
        {
            Colors::Never
        } else {
            Colors::Auto
        }
    }

    fn first(&self, name: &str) -> Option<&str> {
        Layer::ALL.iter().find_map(|layer| self.text(*layer, name))
    }

    fn text(&self, layer: Layer, name: &str) -> Option<&str> {
        match layer {
            Layer::Process => self.text_in_process(name),
            Layer::File => {
                let (value, _line) = self.file.as_ref()?.values.get(name)?;
                Some(value)
            }
        }
    }

    fn text_in_process(&self, name: &str) -> Option<&str> {
        self.process.get(name)?.to_str()
    }

    /// Returns the origin of a variable that is set.
    fn origin(&self, layer: Layer, name: &str) -> Origin {
        match (layer, &self.file) {
            (Layer::File, Some(file)) => Origin::File {
                name: name.to_owned(),
                path: file.path.clone(),
                line: file.values.get(name).map_or(0, |(_, line)| *line),
            },
            _ => Origin::Variable(name.to_owned()),
        }
    }
}

/// Shows names only, because values may be secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.iter().flat_map(|file| file.values.keys());
        formatter
            .debug_set()
            .entries(self.process.keys().chain(file))
            .finish()
    }
}

/// Reads a file; `None` if it does not exist and is not named by the user.
fn read_file(path: &Path, named: bool) -> io::Result<Option<Vec<u8>>> {
    if !named {
        match std::fs::metadata(path) {
            // Some people name the directory of a virtual environment `.env`.
            Ok(found) if found.is_dir() => return Ok(None),
            // A named pipe would block.
            Ok(found) if !found.is_file() => {
                return Err(io::Error::other("it is not a regular file"));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    let mut bytes = Vec::new();
    File::open(path)?
        .take(MAX_FILE + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    Ok(Some(bytes))
}

/// Returns `line 3` or `lines 3, 5, …`; `None` for no line.
fn lines(numbers: &[usize]) -> Option<String> {
    let listed: Vec<String> = numbers
        .iter()
        .take(MAX_LISTED)
        .map(ToString::to_string)
        .collect();
    let listed = listed.join(", ");
    match numbers.len() {
        0 => None,
        1 => Some(format!("line {listed}")),
        more if more > MAX_LISTED => Some(format!("lines {listed}, …")),
        _ => Some(format!("lines {listed}")),
    }
}

/// Returns the first word of a filter that is probably a misspelt level: as a target it would match
/// nothing.
fn misspelt_level(filter: &str) -> Option<&str> {
    let known = LEVELS.map(str::to_owned);
    filter.split(',').map(str::trim).find(|word| {
        let lower = word.to_lowercase();
        word.bytes().all(|byte| byte.is_ascii_alphabetic())
            && !LEVELS.contains(&lower.as_str())
            && most_similar(&lower, &known).is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_levels_are_found() {
        for (filter, expected) in [
            ("debug", None),
            ("DEBUG", None),
            ("convoy=debug", None),
            ("hyper", None),
            ("debg", Some("debg")),
            ("info,eror", Some("eror")),
        ] {
            assert_eq!(misspelt_level(filter), expected, "{filter}");
        }
    }

    #[test]
    fn a_long_list_of_lines_is_cut() {
        assert_eq!(lines(&[]), None);
        assert_eq!(lines(&[3]).unwrap(), "line 3");
        assert_eq!(lines(&[3, 5]).unwrap(), "lines 3, 5");
        assert_eq!(
            lines(&[1, 2, 3, 4, 5, 6]).unwrap(),
            "lines 1, 2, 3, 4, 5, …"
        );
    }
}
