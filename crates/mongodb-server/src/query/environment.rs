//! Constants of a command: the time at which it began, and its variables.

use crate::bson::Value;

/// The time at which a command began, and the variables that all its expressions may use.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// Milliseconds since 1970 when the command began.
    pub now_ms: i64,
    /// Whether expressions may not use `$$NOW`.
    pub hides_now: bool,
    variables: Vec<(String, Variable)>,
}

/// A variable of a command.
#[derive(Debug, Clone)]
pub enum Variable {
    /// Its value, which is undefined if it is missing.
    Value(Value<'static>),
    /// The value is known only when the expression is compiled again.
    Later,
}

/// The variables that an expression may use.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    pub environment: &'a Environment,
    /// Variables that outer expressions define.
    pub local: &'a [&'a str],
}

impl Environment {
    /// Returns an environment without variables.
    pub fn new(now_ms: i64) -> Self {
        Self {
            now_ms,
            hides_now: false,
            variables: Vec::new(),
        }
    }

    /// Returns an environment without variables and without `$$NOW`.
    pub fn without_now() -> Self {
        Self {
            hides_now: true,
            ..Self::default()
        }
    }

    /// Defines a variable; hides one of the same name.
    pub fn define(&mut self, name: &str, value: Value<'_>) {
        let variable = Variable::Value(value.into_owned());
        self.variables.push((name.to_owned(), variable));
    }

    /// Declares a variable whose value is not known yet.
    pub fn declare(&mut self, name: &str) {
        self.variables.push((name.to_owned(), Variable::Later));
    }

    /// Returns a variable.
    pub fn variable(&self, name: &str) -> Option<&Variable> {
        let mut latest = self.variables.iter().rev();
        latest
            .find(|(known, _)| known == name)
            .map(|(_, variable)| variable)
    }
}

impl<'a> Names<'a> {
    /// Returns the variables of an environment.
    pub fn of(environment: &'a Environment) -> Self {
        Self {
            environment,
            local: &[],
        }
    }

    /// Returns the variables of the environment with these of outer expressions.
    pub fn with_local<'b>(self, local: &'b [&'b str]) -> Names<'b>
    where
        'a: 'b,
    {
        Names {
            environment: self.environment,
            local,
        }
    }
}
