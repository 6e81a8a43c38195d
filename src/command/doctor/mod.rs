//! `convoy doctor`: checks this machine, and prints a fix for each problem.
//!
//! | level | means |
//! |---|---|
//! | ok | no problem |
//! | limited | `convoy simulate` runs, but some options fail, or its measurements are worse |
//! | broken | `convoy simulate` with the same options would not run |

mod engine;
mod machine;
mod place;
mod servers;

use std::fmt;

use serde::Serialize;

use crate::cause::chain;
use crate::containers::engine::DockerEnv;
use crate::error::{Error, ExitStatus};
use crate::settings::{Format, SimulateSettings};
use crate::terminal::Terminal;

/// Width of the column of subjects.
const SUBJECT_WIDTH: usize = 18;

/// Severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Ok,
    /// A run works, with limits.
    Limited,
    /// A run fails.
    Broken,
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Ok => "ok",
            Self::Limited => "limited",
            Self::Broken => "BROKEN",
        })
    }
}

/// Result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub subject: &'static str,
    pub level: Level,
    pub seen: String,
    pub fix: Option<String>,
}

impl Finding {
    fn ok(subject: &'static str, seen: impl Into<String>) -> Self {
        Self {
            subject,
            level: Level::Ok,
            seen: seen.into(),
            fix: None,
        }
    }

    fn limited(subject: &'static str, seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            subject,
            level: Level::Limited,
            seen: seen.into(),
            fix: Some(fix.into()),
        }
    }

    /// An error that the run would end with.
    fn failed(subject: &'static str, error: &Error) -> Self {
        Self {
            subject,
            level: Level::Broken,
            seen: chain(error),
            fix: error.hint(),
        }
    }

    fn broken(subject: &'static str, seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            level: Level::Broken,
            ..Self::limited(subject, seen, fix)
        }
    }
}

/// Runs all checks and prints the findings.
pub fn run(
    settings: &SimulateSettings,
    docker_env: &DockerEnv,
    terminal: &Terminal,
) -> Result<ExitStatus, Error> {
    let mut findings = place::examine(settings);
    findings.extend(machine::examine());
    findings.extend(servers::examine(settings, docker_env)?);
    let text = match settings.report.format {
        Format::Text => text(&findings),
        Format::Json => json(&findings),
    };
    terminal
        .data(|stdout| stdout.write_all(text.as_bytes()))
        .map_err(Error::Stdout)?;
    Ok(match worst(&findings) {
        Level::Ok | Level::Limited => ExitStatus::Success,
        Level::Broken => ExitStatus::Environment,
    })
}

fn worst(findings: &[Finding]) -> Level {
    let levels = findings.iter().map(|finding| finding.level);
    levels.max().unwrap_or(Level::Ok)
}

fn text(findings: &[Finding]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for finding in findings {
        lines.push(format!(
            "{:<8} {:<SUBJECT_WIDTH$} {}",
            finding.level, finding.subject, finding.seen
        ));
        if let Some(fix) = &finding.fix {
            lines.push(format!("{:8} {:SUBJECT_WIDTH$} → {fix}", "", ""));
        }
    }
    lines.push(match worst(findings) {
        Level::Ok => "convoy simulate would run".to_owned(),
        Level::Limited => "convoy simulate would run, with the limits above".to_owned(),
        Level::Broken => "convoy simulate would NOT run".to_owned(),
    });
    lines.push(String::new());
    lines.join("\n")
}

fn json(findings: &[Finding]) -> String {
    let value = serde_json::json!({
        "would_run": worst(findings) < Level::Broken,
        "findings": findings,
    });
    format!("{value:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_shown_with_fixes_and_the_worst_decides() {
        let mut findings = vec![
            Finding::ok("memory", "20.1 GB of 24.0 GB available"),
            Finding::limited(
                "engine",
                "no container engine found",
                "start Docker or Podman",
            ),
        ];
        insta::assert_snapshot!(text(&findings), @"
        ok       memory             20.1 GB of 24.0 GB available
        limited  engine             no container engine found
                                    → start Docker or Podman
        convoy simulate would run, with the limits above
        ");
        findings.push(Finding::broken("dataset", "`x` is empty", "name another"));
        assert!(text(&findings).ends_with("would NOT run\n"));
        assert!(json(&findings).contains("\"would_run\": false"));
    }
}
