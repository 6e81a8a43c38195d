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
use crate::command::workload;
use crate::containers::engine::DockerEnv;
use crate::error::{Error, ExitStatus};
use crate::settings::{Format, SimulateSettings};
use crate::terminal::Terminal;
use crate::text::{Ink, Page};

/// Width of the column of levels.
const LEVEL_WIDTH: usize = 8;

/// Width of the column of subjects.
const SUBJECT_WIDTH: usize = 18;

/// Pages of fewer columns have what was seen below its subject.
const NARROW: usize = 70;

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
    // As the run opens it.
    let rows = workload::examine(&settings.load, settings.topic.as_deref());
    let mut findings = place::examine(settings, &rows);
    findings.extend(machine::examine());
    let topics = rows.map_or_else(|_| Vec::new(), |rows| rows.topics);
    findings.extend(servers::examine(settings, &topics, docker_env)?);
    let text = match settings.report.format {
        Format::Text => text(&findings, &terminal.page()),
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

fn text(findings: &[Finding], page: &Page) -> String {
    let mut text = String::new();
    // A narrow page has what was seen below its subject.
    let column = if page.fits(NARROW) {
        LEVEL_WIDTH + 1 + SUBJECT_WIDTH + 1
    } else {
        2
    };
    for finding in findings {
        let level = format!("{:<LEVEL_WIDTH$}", finding.level);
        let level = page.paint(ink(finding.level), &level);
        let subject = finding.subject;
        let mut seen = vec![finding.seen.clone()];
        seen.extend(finding.fix.iter().map(|fix| format!("→ {fix}")));
        if page.fits(NARROW) {
            let first = seen.remove(0);
            let line = format!("{level} {subject:<SUBJECT_WIDTH$} {first}");
            text.push_str(&page.paragraph(&line, column));
        } else {
            text.push_str(&page.paragraph(&format!("{level} {subject}"), column));
        }
        for line in seen {
            let line = format!("{:column$}{line}", "");
            text.push_str(&page.paragraph(&line, 2));
        }
    }
    let worst = worst(findings);
    let line = match worst {
        Level::Ok => "convoy simulate would run",
        Level::Limited => "convoy simulate would run, with the limits above",
        Level::Broken => "convoy simulate would NOT run",
    };
    text.push_str(&page.paragraph(&page.paint(ink(worst), line), 2));
    text
}

fn ink(level: Level) -> Ink {
    match level {
        Level::Ok => Ink::Good,
        Level::Limited => Ink::Caution,
        Level::Broken => Ink::Bad,
    }
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
        insta::assert_snapshot!(text(&findings, &Page::default()), @"
        ok       memory             20.1 GB of 24.0 GB available
        limited  engine             no container engine found
                                    → start Docker or Podman
        convoy simulate would run, with the limits above
        ");
        for width in [40, 80] {
            let text = text(&findings, &Page::new(Some(width), false));
            let wide = text.lines().find(|line| line.chars().count() > width);
            assert_eq!(wide, None, "{text}");
        }
        findings.push(Finding::broken("dataset", "`x` is empty", "name another"));
        assert!(text(&findings, &Page::default()).ends_with("would NOT run\n"));
        assert!(json(&findings).contains("\"would_run\": false"));
    }
}
