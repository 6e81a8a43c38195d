//! Parses a fault plan; errors name the position.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::faults::kind::{Chance, DataKind, Target};
use crate::faults::plan::{Plan, Scheduled, Spec, WHOLE_RUN};
use crate::load::LONGEST_DURATION;
use crate::suggest::most_similar;

/// Rounding error that a sum of decimal fractions may have.
const ROUNDING: f64 = 1e-9;

/// Faults at an instant, by name.
const SCHEDULED: [(&str, ScheduledKind); 10] = [
    ("broker-restart", ScheduledKind::Restart(Target::Broker)),
    ("store-restart", ScheduledKind::Restart(Target::Store)),
    ("consumer-restart", ScheduledKind::Restart(Target::Consumer)),
    ("broker-crash", ScheduledKind::Crash(Target::Broker)),
    ("consumer-crash", ScheduledKind::Crash(Target::Consumer)),
    ("broker-hang", ScheduledKind::Hang(Target::Broker)),
    ("store-hang", ScheduledKind::Hang(Target::Store)),
    ("consumer-hang", ScheduledKind::Hang(Target::Consumer)),
    ("slow-broker", ScheduledKind::Slow(Target::Broker)),
    ("slow-store", ScheduledKind::Slow(Target::Store)),
];

/// Kind of a fault at an instant, which decides what follows its name.
#[derive(Debug, Clone, Copy)]
enum ScheduledKind {
    Restart(Target),
    Crash(Target),
    Hang(Target),
    Slow(Target),
}

impl ScheduledKind {
    /// Returns the syntax after the name, for messages.
    fn syntax(self) -> &'static str {
        match self {
            Self::Restart(_) | Self::Crash(_) => "@WHEN",
            Self::Hang(_) => "@WHEN+HOW_LONG",
            Self::Slow(_) => "=DELAY` or `…=DELAY@WHEN+HOW_LONG",
        }
    }
}

/// A mistake in a fault plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at character {position}: {problem}{}", Suggestion(suggestion.as_deref()))]
pub struct SpecError {
    /// Position of the mistake in the text, from 1.
    pub position: usize,
    /// Description of the mistake.
    pub problem: String,
    /// Similar name that exists.
    pub suggestion: Option<String>,
}

struct Suggestion<'a>(Option<&'a str>);

impl fmt::Display for Suggestion<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(suggestion) => write!(formatter, "; did you mean `{suggestion}`?"),
            None => Ok(()),
        }
    }
}

impl FromStr for Spec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        if text.trim() == "chaos" {
            return Ok(Self::Chaos);
        }
        let mut plan = Plan::default();
        for item in (Part { text, at: 0 }).split(',') {
            item.trimmed().add_to(&mut plan)?;
        }
        check_shares(&plan)?;
        Ok(Self::Plan(plan))
    }
}

/// A part of the text and its position, in bytes from 0.
#[derive(Debug, Clone, Copy)]
struct Part<'a> {
    text: &'a str,
    at: usize,
}

impl Part<'_> {
    fn split(self, separator: char) -> impl Iterator<Item = Self> {
        let mut at = self.at;
        self.text.split(separator).map(move |text| {
            let part = Part { text, at };
            at += text.len() + separator.len_utf8();
            part
        })
    }

    fn split_once(self, separator: char) -> Option<(Self, Self)> {
        let (before, after) = self.text.split_once(separator)?;
        let at = self.at + before.len() + separator.len_utf8();
        Some((
            Part {
                text: before,
                at: self.at,
            },
            Part { text: after, at },
        ))
    }

    fn trimmed(self) -> Self {
        let start = self.text.len() - self.text.trim_start().len();
        Part {
            text: self.text.trim(),
            at: self.at + start,
        }
    }

    fn wrong(self, problem: impl Into<String>) -> SpecError {
        SpecError {
            position: self.at + 1,
            problem: problem.into(),
            suggestion: None,
        }
    }

    fn unknown(self, what: &str, known: &[String]) -> SpecError {
        SpecError {
            position: self.at + 1,
            problem: format!("unknown {what} `{}`", self.text),
            suggestion: most_similar(self.text, known).map(str::to_owned),
        }
    }

    fn parsed<T: FromStr<Err = String>>(self) -> Result<T, SpecError> {
        let part = self.trimmed();
        part.text
            .parse()
            .map_err(|reason| part.wrong(format!("`{}`: {reason}", part.text)))
    }

    fn duration(self) -> Result<Duration, SpecError> {
        let part = self.trimmed();
        match humantime::parse_duration(part.text) {
            Ok(duration) if duration <= LONGEST_DURATION => Ok(duration),
            _ => Err(part.wrong(format!(
                "`{}` is not a duration (expected a number with a unit, such as `5s` or `20ms`)",
                part.text
            ))),
        }
    }

    /// Parses a duration above zero.
    fn span(self) -> Result<Duration, SpecError> {
        match self.duration()? {
            Duration::ZERO => Err(self.trimmed().wrong("duration must be longer than `0s`")),
            span => Ok(span),
        }
    }

    fn add_to(self, plan: &mut Plan) -> Result<(), SpecError> {
        let name_end = self.text.find(['=', '@']).unwrap_or(self.text.len());
        let name = Part {
            text: self.text[..name_end].trim_end(),
            at: self.at,
        };
        let rest = Part {
            text: &self.text[name_end..],
            at: self.at + name_end,
        };
        match name.text {
            "" => Err(name.wrong("expected the name of a fault")),
            "chaos" => Err(name.wrong("`chaos` cannot be combined with other faults")),
            "data" => rest.value(name, "=KIND:PROBABILITY")?.add_data_to(plan),
            other => {
                if let Some((_, kind)) = SCHEDULED.iter().find(|(name, _)| *name == other) {
                    plan.scheduled.push(rest.scheduled(name, *kind)?);
                    return Ok(());
                }
                let Ok(chance) = other.parse::<Chance>() else {
                    return Err(name.unknown("fault", &known()));
                };
                if plan.chances.iter().any(|(given, _)| *given == chance) {
                    return Err(name.wrong(format!("`{chance}` is given twice")));
                }
                let probability = rest.value(name, "=PROBABILITY")?.parsed()?;
                plan.chances.push((chance, probability));
                Ok(())
            }
        }
    }

    /// Returns the part after `=`.
    fn value(self, name: Part<'_>, syntax: &str) -> Result<Self, SpecError> {
        match self.split_once('=') {
            Some((_, value)) => Ok(value),
            None => Err(name.wrong(format!("expected `{}{syntax}`", name.text))),
        }
    }

    fn add_data_to(self, plan: &mut Plan) -> Result<(), SpecError> {
        for item in self.split('+') {
            let item = item.trimmed();
            let (kind, share) = item.split_once(':').ok_or_else(|| {
                item.wrong("expected `KIND:PROBABILITY`, such as `duplicate:0.01`")
            })?;
            let kind = kind.trimmed();
            let Ok(parsed) = kind.text.parse::<DataKind>() else {
                let known = DataKind::ALL.map(|kind| kind.to_string());
                return Err(kind.unknown("data fault", &known));
            };
            if plan.data.iter().any(|(given, _)| *given == parsed) {
                return Err(kind.wrong(format!("`{parsed}` is given twice")));
            }
            plan.data.push((parsed, share.parsed()?));
        }
        Ok(())
    }

    /// Parses what follows the name of a fault at an instant.
    fn scheduled(self, name: Part<'_>, kind: ScheduledKind) -> Result<Scheduled, SpecError> {
        let malformed = || name.wrong(format!("expected `{}{}`", name.text, kind.syntax()));
        let (before, when) = match (self.split_once('@'), kind) {
            (Some(parts), _) => parts,
            (None, ScheduledKind::Slow(target)) => {
                let (_, delay) = self.split_once('=').ok_or_else(malformed)?;
                return Ok(Scheduled::Slow {
                    target,
                    delay: delay.span()?,
                    at: Duration::ZERO,
                    lasting: WHOLE_RUN,
                });
            }
            (None, _) => return Err(malformed()),
        };
        let delay = before.split_once('=').map(|(_, delay)| delay);
        let (at, lasting) = match when.split_once('+') {
            Some((at, lasting)) => (at, Some(lasting)),
            None => (when, None),
        };
        match (kind, delay, lasting) {
            (ScheduledKind::Restart(target), None, None) => {
                let at = at.duration()?;
                Ok(Scheduled::Restart { target, at })
            }
            (ScheduledKind::Crash(target), None, None) => {
                let at = at.duration()?;
                Ok(Scheduled::Crash { target, at })
            }
            (ScheduledKind::Hang(target), None, Some(lasting)) => Ok(Scheduled::Hang {
                target,
                at: at.duration()?,
                lasting: lasting.span()?,
            }),
            (ScheduledKind::Slow(target), Some(delay), Some(lasting)) => Ok(Scheduled::Slow {
                target,
                delay: delay.span()?,
                at: at.duration()?,
                lasting: lasting.span()?,
            }),
            _ => Err(malformed()),
        }
    }
}

/// A reading has at most one fault, so the sum of all shares is at most 1.
fn check_shares(plan: &Plan) -> Result<(), SpecError> {
    let shares = plan.data.iter().map(|(_, share)| share.value());
    if shares.sum::<f64>() <= 1.0 + ROUNDING {
        return Ok(());
    }
    Err(SpecError {
        position: 1,
        problem: "the sum of the probabilities of `data=` is above 1".to_owned(),
        suggestion: None,
    })
}

/// Returns whether a text begins with the name of a fault.
pub fn begins_with_fault(text: &str) -> bool {
    let name = text.split(['=', '@', ',']).next().unwrap_or_default();
    known().iter().any(|known| known == name)
}

/// Returns the names of all faults, for suggestions.
fn known() -> Vec<String> {
    let mut known: Vec<String> = ["data", "chaos"].map(str::to_owned).into();
    known.extend(SCHEDULED.map(|(name, _)| name.to_owned()));
    known.extend(Chance::ALL.map(|chance| chance.to_string()));
    known
}
