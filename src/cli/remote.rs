//! Addresses of other machines that a command must not use unless the user names them.
//!
//! `simulate` starts its own servers. It connects to existing ones only if a flag, a `CONVOY_…`
//! variable of the process or the scenario says so: `--backend external`, `--broker` or `--store`.
//! A `.env` and the variables of programs for Confluent Cloud and Atlas only say which servers
//! `--backend external` means. `doctor` does the same, because it answers for `simulate`.
//! `produce`, `consume` and `report merge` need existing servers, so they take all sources.

use std::ffi::{OsStr, OsString};

use clap::Command;
use convoy_server_kit::redact_uri;

use crate::cli::environment::{Candidate, Environment};
use crate::cli::origin::Origin;

/// Commands that use existing servers only if they are named.
const CAREFUL: [&str; 2] = ["simulate", "doctor"];

/// Options with addresses of servers.
const ADDRESSES: [&str; 2] = ["broker", "store"];

/// Values in variables that are held back.
pub(super) struct Remote {
    held: Vec<(&'static str, Candidate)>,
}

impl Remote {
    /// Finds what the variables say about existing servers.
    pub(super) fn find(command: &Command, environment: &Environment) -> Self {
        let mut held = Vec::new();
        if CAREFUL.contains(&command.get_name()) {
            for option in ["broker", "store", "backend"] {
                let candidates = environment.candidates(option).into_iter();
                let ambient = candidates.filter(|it| !it.explicit && leaves(option, &it.value));
                held.extend(ambient.map(|candidate| (option, candidate)));
            }
        }
        Self { held }
    }

    /// Returns whether the variable of an option is held back.
    pub(super) fn holds_back(&self, option: &str, origin: &Origin) -> bool {
        let mut held = self.held.iter();
        held.any(|(other, candidate)| *other == option && candidate.origin == *origin)
    }

    /// Returns the addresses that `--backend external` means, unless another source has some.
    pub(super) fn addresses(&self) -> Vec<(String, Vec<OsString>, Origin)> {
        let first = |option: &str| self.held.iter().find(|(other, _)| *other == option);
        ADDRESSES
            .into_iter()
            .filter_map(|option| {
                let (_, candidate) = first(option)?;
                let values = vec![candidate.value.clone()];
                Some((option.to_owned(), values, candidate.origin.clone()))
            })
            .collect()
    }

    /// Notes which servers the variables name, if the command does not use them and the user has
    /// not chosen others.
    pub(super) fn note<'a>(
        &self,
        chosen: impl Fn(&str) -> Option<&'a OsStr>,
        environment: &Environment,
    ) {
        let provisioned = |backend: &OsStr| backend == "embedded" || backend == "containers";
        if chosen("backend").is_some_and(provisioned) {
            return;
        }
        let mut named: Vec<(String, Vec<String>)> = Vec::new();
        for option in ADDRESSES {
            let mut held = self.held.iter();
            let Some((_, candidate)) = held.find(|(other, _)| *other == option) else {
                continue;
            };
            if chosen(option).is_some() {
                continue;
            }
            let place = match &candidate.origin {
                Origin::File { path, .. } => path.display().to_string(),
                origin => origin.brief(option),
            };
            let address = redact_uri(&candidate.value.to_string_lossy());
            match named.iter_mut().find(|(other, _)| *other == place) {
                Some((_, addresses)) => addresses.push(address),
                None => named.push((place, vec![address])),
            }
        }
        for (place, addresses) in named {
            let addresses = addresses.join(" and ");
            environment.note(format!(
                "`{place}` names {addresses}; not used: add `--backend external`"
            ));
        }
    }
}

/// Returns whether a value makes a run use existing servers.
fn leaves(option: &str, value: &OsStr) -> bool {
    match option {
        "backend" => value == "external",
        _ => is_address(value),
    }
}

/// Returns whether a value of `--broker` or `--store` is an address and not a kind of server.
pub(super) fn is_address(value: &OsStr) -> bool {
    value != "embedded" && value != "container"
}
