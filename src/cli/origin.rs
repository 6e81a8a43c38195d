//! Which source set an option.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// A source of options.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The command line.
    Flag,
    /// A variable in the environment of the process, with its name.
    Variable(String),
    /// A variable in a file, usually `.env`.
    File {
        name: String,
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// A scenario file, with its path.
    Scenario(PathBuf),
    /// The report of the run that `--again` names.
    Again(PathBuf),
}

impl Origin {
    /// Returns whether both are the same kind of source.
    pub(super) fn same_source(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// Names the source of an option in a few words, for reports.
    pub(super) fn brief(&self, option: &str) -> String {
        match self {
            Self::Flag => format!("--{option}"),
            Self::Variable(name) => name.clone(),
            Self::File { name, path, line } => {
                format!("{name} in {}, line {line}", path.display())
            }
            Self::Scenario(path) | Self::Again(path) => path.display().to_string(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => formatter.write_str("the command line"),
            Self::Variable(name) => write!(formatter, "the environment variable `{name}`"),
            Self::File { name, path, line } => {
                write!(formatter, "`{name}` in `{}`, line {line}", path.display())
            }
            Self::Scenario(path) => write!(formatter, "the scenario `{}`", path.display()),
            Self::Again(path) => write!(formatter, "the run `{}`", path.display()),
        }
    }
}

/// The source of each option that has not its default.
#[derive(Debug, Default)]
pub(super) struct Origins(BTreeMap<String, Origin>);

impl Origins {
    pub(super) fn get(&self, option: &str) -> Option<&Origin> {
        self.0.get(option)
    }

    /// Names the source of an option in a few words, for reports.
    pub(super) fn brief(&self, option: &str) -> String {
        self.get(option)
            .map_or_else(|| "default".to_owned(), |origin| origin.brief(option))
    }
}

impl FromIterator<(String, Origin)> for Origins {
    fn from_iter<I: IntoIterator<Item = (String, Origin)>>(origins: I) -> Self {
        Self(origins.into_iter().collect())
    }
}
