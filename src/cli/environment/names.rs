//! Names of variables: those of options, those without one, and those that are not ours.

use clap::{Command, CommandFactory as _};

use crate::cli::args::CliArgs;
use crate::cli::sources;
use crate::suggest::most_similar;

/// Start of our names.
pub const PREFIX: &str = "CONVOY_";

/// Variables of programs for Confluent Cloud and Atlas, by option.
const ALIASES: [(&str, &str); 2] = [("broker", "BOOTSTRAP_SERVER"), ("store", "MONGO_DB_URL")];

/// Our variables that set no option.
const WITHOUT_OPTION: [&str; 7] = [
    "CONVOY_BROKER_USERNAME",
    "CONVOY_BROKER_PASSWORD",
    "CONVOY_REGISTRY_URL",
    "CONVOY_REGISTRY_USERNAME",
    "CONVOY_REGISTRY_PASSWORD",
    "CONVOY_PASSWORD",
    "CONVOY_LOG",
];

/// Returns our name of the variable that sets an option.
pub fn own_name(option: &str) -> String {
    format!("{PREFIX}{}", option.replace('-', "_").to_uppercase())
}

/// Returns the name that programs for Confluent Cloud and Atlas use, if there is one.
pub fn alias(option: &str) -> Option<&'static str> {
    let mut aliases = ALIASES.iter();
    let found = aliases.find(|(aliased, _)| *aliased == option);
    found.map(|(_, alias)| *alias)
}

/// Returns the names of the variables that set an option; the first has precedence.
pub fn variables_of(option: &str) -> Vec<String> {
    let alias = alias(option).map(str::to_owned);
    std::iter::once(own_name(option)).chain(alias).collect()
}

/// A variable with our prefix that convoy does not know.
#[derive(Debug, PartialEq, Eq)]
pub struct Misspelt {
    /// The most similar name that convoy knows.
    pub suggestion: Option<String>,
}

/// Returns whether a variable seems meant for convoy, but has no effect.
pub fn misspelt(name: &str, value: &str) -> Option<Misspelt> {
    let capitals = name.to_uppercase();
    if !capitals.starts_with(PREFIX) || is_service_link(name, value) {
        return None;
    }
    let known = known();
    if known.iter().any(|known| known == name) {
        return None;
    }
    Some(Misspelt {
        suggestion: most_similar(&capitals, &known).map(str::to_owned),
    })
}

/// Returns whether Kubernetes or Docker set a variable, for a service named `convoy` or
/// `convoy-something`.
///
/// # References
///
/// Kubernetes, "Accessing the Service", environment variables; Docker, "Legacy container links".
pub fn is_service_link(name: &str, value: &str) -> bool {
    let network = ["tcp", "udp", "sctp"];
    let is_url = |value: &str| {
        let scheme = value.split_once("://").map(|(scheme, _)| scheme);
        scheme.is_some_and(|scheme| network.contains(&scheme.to_ascii_lowercase().as_str()))
    };
    // `CONVOY_PORT_9092_TCP_ADDR` and such.
    let of_port = name.match_indices("_PORT_").any(|(at, found)| {
        let rest = &name[at + found.len()..];
        let mut parts = rest.split('_');
        let number = parts.next().unwrap_or_default();
        !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && parts
                .next()
                .is_some_and(|kind| network.contains(&kind.to_ascii_lowercase().as_str()))
    });
    of_port
        || (name.ends_with("_PORT") && is_url(value))
        || name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || (name.ends_with("_NAME") && value.starts_with('/'))
}

/// Returns every name of ours.
fn known() -> Vec<String> {
    fn add(command: &Command, names: &mut Vec<String>) {
        names.extend(sources::options(command).map(|option| own_name(&option)));
        for subcommand in command.get_subcommands() {
            add(subcommand, names);
        }
    }
    let mut names: Vec<String> = WITHOUT_OPTION.map(str::to_owned).to_vec();
    let mut command = CliArgs::command();
    command.build();
    add(&command, &mut names);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_have_no_effect_are_found_with_a_suggestion() {
        let suggestion =
            |name: &str| misspelt(name, "5").map(|it| it.suggestion.unwrap_or_default());
        let table = [
            ("CONVOY_VEHICLES", None),
            ("CONVOY_BROKER_PASSWORD", None),
            ("CONVOY_SHARD", None),
            ("CONVOY_LOG", None),
            ("VEHICLES", None),
            ("MY_CONVOY_VEHICLES", None),
            ("CONVOY_VEHICELS", Some("CONVOY_VEHICLES")),
            ("convoy_vehicles", Some("CONVOY_VEHICLES")),
            ("CONVOY_BROKER_USER", Some("CONVOY_BROKER_USERNAME")),
            ("CONVOY_BACKENDS", Some("CONVOY_BACKEND")),
        ];
        for (name, expected) in table {
            assert_eq!(suggestion(name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn service_links_are_not_ours() {
        let table = [
            ("CONVOY_PORT", "tcp://10.0.0.1:9092"),
            ("CONVOY_BROKER_PORT", "tcp://10.0.0.1:9092"),
            ("CONVOY_STORE_PORT", "udp://10.0.0.1:27017"),
            ("CONVOY_SERVICE_HOST", "10.0.0.1"),
            ("CONVOY_BROKER_SERVICE_PORT", "9092"),
            ("CONVOY_BROKER_SERVICE_PORT_KAFKA", "9092"),
            ("CONVOY_BROKER_PORT_9092_TCP", "tcp://10.0.0.1:9092"),
            ("CONVOY_BROKER_PORT_9092_TCP_PROTO", "tcp"),
            ("CONVOY_BROKER_PORT_9092_TCP_ADDR", "10.0.0.1"),
            ("CONVOY_NAME", "/web/convoy"),
        ];
        for (name, value) in table {
            assert!(is_service_link(name, value), "{name}={value}");
            assert_eq!(misspelt(name, value), None, "{name}={value}");
        }
        assert!(!is_service_link("CONVOY_BROKER_PORT", "9092"));
        assert!(!is_service_link("CONVOY_BROKER", "kafka:9092"));
    }
}
