//! `getParameter`, `setParameter` and `setFeatureCompatibilityVersion`: parameters of the server. A few
//! are known, and those that can be set have no effect here but are kept until the server stops.

use crate::bson::{Builder, Doc, Kind, Value};
use crate::command::limits::VERSION;
use crate::command::{Call, Client, Shared};
use crate::error::{Code, CommandError};
use crate::query::saturated;

/// Largest length of `automationServiceDescriptor`.
const LONGEST_DESCRIPTOR: usize = 64;

/// When a parameter can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Settable {
    Never,
    AtStartup,
    Always,
}

/// A parameter and its first value.
struct Parameter {
    name: &'static str,
    settable: Settable,
    first: Value<'static>,
}

/// Returns the known parameters, sorted by name.
fn known() -> Vec<Parameter> {
    let parameter = |name, settable, first| Parameter {
        name,
        settable,
        first,
    };
    let version = Builder::new().string("version", &compatible());
    vec![
        parameter(
            "KeysRotationIntervalSec",
            Settable::AtStartup,
            Value::Int32(7_776_000),
        ),
        parameter("allowDiskUseByDefault", Settable::Always, Value::Bool(true)),
        parameter("authSchemaVersion", Settable::Never, Value::Int32(5)),
        parameter(
            "automationServiceDescriptor",
            Settable::Always,
            Value::from(""),
        ),
        parameter(
            "enableTestCommands",
            Settable::AtStartup,
            Value::Bool(false),
        ),
        parameter(
            "featureCompatibilityVersion",
            Settable::Never,
            Value::Document(version.finish().into()),
        ),
        parameter("logLevel", Settable::Always, Value::Int32(0)),
        parameter("quiet", Settable::Always, Value::Bool(false)),
    ]
}

/// Returns the version of the data's format.
fn compatible() -> String {
    format!("{}.{}", VERSION[0], VERSION[1])
}

impl Parameter {
    /// Returns the value that was set, or the first one.
    fn value(&self, shared: &Shared) -> Value<'static> {
        let set = shared.parameters.get(self.name);
        set.unwrap_or_else(|| self.first.clone())
    }
}

/// What `getParameter` is asked for.
#[derive(Debug, Default)]
struct Wanted {
    all: bool,
    details: bool,
    /// When the parameters can be set, if only such are wanted.
    set_at: Option<Settable>,
}

impl Wanted {
    fn read(call: &Call<'_>) -> Result<Self, CommandError> {
        let argument = call.body.get(call.name);
        let mut wanted = Self {
            all: argument.as_ref().and_then(Value::as_str) == Some("*"),
            ..Self::default()
        };
        let options = argument.as_ref().and_then(Value::as_document);
        for option in options.unwrap_or(Doc::EMPTY).elements() {
            let (name, value) = (option.name(), option.value());
            match name {
                "showDetails" | "allParameters" if option.kind() != Kind::Bool => {
                    return Err(call.wrong_type(name, option.kind(), "bool"));
                }
                "allParameters" => wanted.all = value.is_truthy(),
                "showDetails" => wanted.details = value.is_truthy(),
                "setAt" if value.is_nullish() => {}
                "setAt" => {
                    let Some(time) = value.as_str() else {
                        return Err(call.wrong_type(name, option.kind(), "string"));
                    };
                    wanted.set_at = Some(match time {
                        "runtime" => Settable::Always,
                        "startup" => Settable::AtStartup,
                        _ => {
                            let message =
                                "Invalid value for setAt: expected 'runtime' or 'startup'";
                            return Err(CommandError::bad_value(message));
                        }
                    });
                }
                _ => {
                    let message = format!("BSON field 'getParameter.{name}' is an unknown field.");
                    return Err(CommandError::location(40_415, message));
                }
            }
        }
        Ok(wanted)
    }

    fn includes(&self, parameter: &Parameter, call: &Call<'_>) -> bool {
        if !self.all {
            return call.body.element(parameter.name).is_some();
        }
        match self.set_at {
            None => true,
            Some(Settable::Always) => parameter.settable == Settable::Always,
            Some(_) => parameter.settable != Settable::Never,
        }
    }
}

/// `getParameter`
pub fn get_parameter(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only_of_admin()?;
    let wanted = Wanted::read(call)?;
    let mut reply = Builder::new();
    let mut found = wanted.all;
    for parameter in known() {
        if !wanted.includes(&parameter, call) {
            continue;
        }
        found = true;
        let value = parameter.value(shared);
        if !wanted.details {
            reply.push(parameter.name, &value);
            continue;
        }
        let details = Builder::new()
            .with("value", &value)
            .bool("settableAtRuntime", parameter.settable == Settable::Always)
            .bool("settableAtStartup", parameter.settable != Settable::Never);
        reply = reply.document(parameter.name, details);
    }
    if !found {
        return Err(invalid("no option found to get"));
    }
    Ok(reply)
}

/// `setParameter`: sets all of the parameters or none.
pub fn set_parameter(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only_of_admin()?;
    let mut changes = Vec::new();
    for element in call.body.elements().skip(1) {
        let name = element.name();
        if Call::is_generic(name) {
            continue;
        }
        let parameter = known().into_iter().find(|known| known.name == name);
        let Some(parameter) = parameter else {
            let message = format!("attempted to set unrecognized parameter [{name}]");
            return Err(invalid(message));
        };
        if name == "featureCompatibilityVersion" {
            let message = "featureCompatibilityVersion is set by setFeatureCompatibilityVersion";
            return Err(CommandError::new(Code::ILLEGAL_OPERATION, message));
        }
        if parameter.settable != Settable::Always {
            let message = format!("not allowed to change [{name}] at runtime");
            return Err(invalid(message));
        }
        let value = converted(&parameter, &element.value())?;
        changes.push((parameter, value));
    }
    let Some((first, _)) = changes.first() else {
        return Err(invalid("no option found to set"));
    };
    let before = first.value(shared);
    for (parameter, value) in changes {
        shared.parameters.put(parameter.name, value);
    }
    Ok(Builder::new().with("was", &before))
}

/// Returns a new value in the type of the parameter.
fn converted(parameter: &Parameter, value: &Value<'_>) -> Result<Value<'static>, CommandError> {
    let name = parameter.name;
    match parameter.first {
        Value::Bool(_) => Ok(Value::Bool(value.is_truthy())),
        Value::String(_) => match value.as_str() {
            Some(text) if text.len() <= LONGEST_DESCRIPTOR => Ok(Value::from(text.to_owned())),
            Some(_) => {
                let message = format!(
                    "Value for parameter {name} must be no more than {LONGEST_DESCRIPTOR} bytes"
                );
                Err(CommandError::new(Code::OVERFLOW, message))
            }
            None => {
                let message = format!("Field '{name}' must be of type string");
                Err(CommandError::type_mismatch(message))
            }
        },
        _ => {
            let number = match value {
                Value::Bool(flag) => Some(i64::from(*flag)),
                number if number.is_number() => Some(saturated(number)),
                _ => None,
            };
            let number = number.and_then(|number| i32::try_from(number).ok());
            let number = number.filter(|number| (0..i32::MAX).contains(number));
            number.map(Value::Int32).ok_or_else(|| {
                CommandError::bad_value(format!("Invalid value for parameter {name}: {value}"))
            })
        }
    }
}

/// `setFeatureCompatibilityVersion`: the version before is known as well, and nothing depends on it.
pub fn set_compatible_version(
    shared: &Shared,
    _client: &mut Client,
    call: &Call<'_>,
) -> Result<Builder, CommandError> {
    call.only(&["confirm", "downgradeOnDiskChanges", "fromConfigServer"])?;
    call.only_of_admin()?;
    let version = match call.value(call.name) {
        Some(Value::String(version)) => version,
        Some(other) => return Err(call.wrong_type(call.name, other.kind(), "string")),
        None => return Err(call.missing(call.name)),
    };
    let confirmed = match call.value("confirm") {
        Some(Value::Bool(confirmed)) => confirmed,
        Some(number) if number.is_number() => number.is_truthy(),
        Some(other) => {
            let expected = "bool', 'long', 'int', 'decimal', 'double";
            return Err(call.wrong_type("confirm", other.kind(), expected));
        }
        None => false,
    };
    let earlier = format!("{}.0", VERSION[0] - 1);
    if version != compatible() && version != earlier {
        let message = format!(
            "Invalid feature compatibility version value '{version}'; expected '{}' or '{earlier}'",
            compatible()
        );
        return Err(CommandError::location(4_926_900, message));
    }
    if !confirmed {
        let message = "Once you have changed the feature compatibility version, you may have to \
                       contact support to change it back. Set 'confirm' to true to go on";
        return Err(CommandError::location(7_369_100, message));
    }
    let version = Builder::new().string("version", &version).finish();
    let version = Value::Document(version.into());
    shared
        .parameters
        .put("featureCompatibilityVersion", version);
    Ok(Builder::new())
}

fn invalid(message: impl Into<String>) -> CommandError {
    CommandError::new(Code::INVALID_OPTIONS, message)
}
