//! Reading a plan as people type it, with the place of what is wrong.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::faults::kind::{Chance, DataKind, Target};
use crate::faults::plan::{Plan, Scheduled, Spec};
use crate::suggest::most_similar;

/// Longer than any run.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What a sum of decimal fractions may be off by.
const ROUNDING: f64 = 1e-9;

/// Names of what happens at an instant.
const SCHEDULED: [&str; 7] = [
    "broker-restart",
    "store-restart",
    "broker-crash",
    "broker-hang",
    "store-hang",
    "slow-broker",
    "slow-store",
];

/// What is wrong with a plan, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at character {position}: {problem}{}", Suggestion(suggestion.as_deref()))]
pub struct SpecError {
    /// Where it begins, from 1.
    pub position: usize,
    /// What is wrong.
    pub problem: String,
    /// What may have been meant.
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

/// A part of the text and where it begins, in bytes.
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
            problem: format!("`{}` is no {what}", self.text),
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
            Ok(duration) if duration <= LONGEST => Ok(duration),
            _ => Err(part.wrong(format!("`{}` is no time such as `5s` or `20ms`", part.text))),
        }
    }

    /// Reads a time that something lasts.
    fn span(self) -> Result<Duration, SpecError> {
        match self.duration()? {
            Duration::ZERO => Err(self.trimmed().wrong("must last longer than 0s")),
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
            "" => Err(name.wrong("a fault is missing here")),
            "chaos" => Err(name.wrong("`chaos` draws the whole plan, so it stands alone")),
            "data" => rest.value(name, "=KIND:PROBABILITY")?.add_data_to(plan),
            scheduled if SCHEDULED.contains(&scheduled) => {
                plan.scheduled.push(rest.scheduled(name)?);
                Ok(())
            }
            chance => {
                let Ok(chance) = chance.parse::<Chance>() else {
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

    /// Returns what follows `=`.
    fn value(self, name: Part<'_>, form: &str) -> Result<Self, SpecError> {
        match self.split_once('=') {
            Some((_, value)) => Ok(value),
            None => Err(name.wrong(format!("expected `{}{form}`", name.text))),
        }
    }

    fn add_data_to(self, plan: &mut Plan) -> Result<(), SpecError> {
        for item in self.split('+') {
            let item = item.trimmed();
            let (kind, share) = item
                .split_once(':')
                .ok_or_else(|| item.wrong("expected KIND:PROBABILITY, such as `duplicate:0.01`"))?;
            let kind = kind.trimmed();
            let Ok(parsed) = kind.text.parse::<DataKind>() else {
                let known = DataKind::ALL.map(|kind| kind.to_string());
                return Err(kind.unknown("kind of spoilt data", &known));
            };
            if plan.data.iter().any(|(given, _)| *given == parsed) {
                return Err(kind.wrong(format!("`{parsed}` is given twice")));
            }
            plan.data.push((parsed, share.parsed()?));
        }
        Ok(())
    }

    /// Reads what follows the name of something scheduled: `=DELAY`, `@WHEN` and `+HOW_LONG`.
    fn scheduled(self, name: Part<'_>) -> Result<Scheduled, SpecError> {
        let target = if name.text.contains("broker") {
            Target::Broker
        } else {
            Target::Store
        };
        let form = match name.text {
            "slow-broker" | "slow-store" => "=DELAY@WHEN+HOW_LONG",
            "broker-hang" | "store-hang" => "@WHEN+HOW_LONG",
            _ => "@WHEN",
        };
        let misshapen = || name.wrong(format!("expected `{}{form}`", name.text));
        let (before, when) = self.split_once('@').ok_or_else(misshapen)?;
        let delay = before.text.trim_start().strip_prefix('=');
        let (at, lasting) = match when.split_once('+') {
            Some((at, lasting)) => (at, Some(lasting)),
            None => (when, None),
        };
        match (form, delay, lasting) {
            ("@WHEN", None, None) if name.text == "broker-crash" => {
                Ok(Scheduled::Crash { at: at.duration()? })
            }
            ("@WHEN", None, None) => Ok(Scheduled::Restart {
                target,
                at: at.duration()?,
            }),
            ("@WHEN+HOW_LONG", None, Some(lasting)) => Ok(Scheduled::Hang {
                target,
                at: at.duration()?,
                lasting: lasting.span()?,
            }),
            ("=DELAY@WHEN+HOW_LONG", Some(delay), Some(lasting)) => Ok(Scheduled::Slow {
                target,
                delay: Part {
                    text: delay,
                    at: before.at + before.text.len() - delay.len(),
                }
                .span()?,
                at: at.duration()?,
                lasting: lasting.span()?,
            }),
            _ => Err(misshapen()),
        }
    }
}

/// At most one thing is done to a reading, so all shares together are one at most.
fn check_shares(plan: &Plan) -> Result<(), SpecError> {
    let shares = plan.data.iter().map(|(_, share)| share.value());
    if shares.sum::<f64>() <= 1.0 + ROUNDING {
        return Ok(());
    }
    Err(SpecError {
        position: 1,
        problem: "the probabilities of `data=` are more than 1 together".to_owned(),
        suggestion: None,
    })
}

fn known() -> Vec<String> {
    let mut known: Vec<String> = ["data", "chaos"].map(str::to_owned).into();
    known.extend(SCHEDULED.map(str::to_owned));
    known.extend(Chance::ALL.map(|chance| chance.to_string()));
    known
}
