//! Credentials in variables, and the server that they belong to.
//!
//! A file or an environment that names a server has the credentials of that server. So they are
//! never sent to another one, which a flag names. Only `CONVOY_…` variables of the process belong
//! to any server.

use convoy_server_kit::{Secret, SecretUri, User};

use crate::cli::environment::{Environment, Layer};
use crate::cli::error::Error;
use crate::settings::ExternalRegistry;

/// The two names of a variable: ours, and that of programs for Confluent Cloud and Atlas.
type Names = [&'static str; 2];

/// The variables about one server.
struct Account {
    address: Names,
    username: Names,
    password: Names,
}

const BROKER: Account = Account {
    address: ["CONVOY_BROKER", "BOOTSTRAP_SERVER"],
    username: ["CONVOY_BROKER_USERNAME", "API_KEY"],
    password: ["CONVOY_BROKER_PASSWORD", "API_SECRET_KEY"],
};

const REGISTRY: Account = Account {
    address: ["CONVOY_REGISTRY_URL", "ENDPOINT_SCHEMA_URL"],
    username: ["CONVOY_REGISTRY_USERNAME", "SCHEMA_REGISTRY_API_KEY"],
    password: ["CONVOY_REGISTRY_PASSWORD", "SCHEMA_REGISTRY_API_SECRET"],
};

/// Whether variables have our names or those of other programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Naming {
    Own,
    Alias,
}

impl Naming {
    const ALL: [Self; 2] = [Self::Own, Self::Alias];

    fn of(self, names: Names) -> &'static str {
        match self {
            Self::Own => names[0],
            Self::Alias => names[1],
        }
    }
}

impl Environment {
    /// Returns the credentials for the broker at these addresses.
    pub(in crate::cli) fn broker_credentials(
        &self,
        addresses: &str,
    ) -> Result<Option<User>, Error> {
        self.credentials(&BROKER, addresses)
    }

    /// Returns whether options of the file about the broker are meant for the one at these
    /// addresses: the file names no other.
    pub(in crate::cli) fn file_is_about(&self, addresses: &str) -> bool {
        self.is_about(&BROKER, Layer::File, Naming::Own, addresses)
    }

    /// Returns the existing Schema Registry. A registry that no `CONVOY_…` variable of the process
    /// names is used only beside an existing broker that belongs to it.
    pub(in crate::cli) fn registry(
        &self,
        broker: Option<&str>,
    ) -> Result<Option<ExternalRegistry>, Error> {
        let found = Layer::ALL.into_iter().find_map(|layer| {
            Naming::ALL.into_iter().find_map(|naming| {
                let explicit = (layer, naming) == (Layer::Process, Naming::Own);
                let beside =
                    broker.is_some_and(|broker| self.is_about(&BROKER, layer, naming, broker));
                let url = self.text(layer, naming.of(REGISTRY.address));
                url.filter(|_| explicit || beside)
            })
        });
        let Some(url) = found else {
            return Ok(None);
        };
        Ok(Some(ExternalRegistry {
            url: SecretUri::new(url),
            credentials: self.credentials(&REGISTRY, url)?,
        }))
    }

    /// Returns whether variables of a layer belong to the server at an address: the layer names no
    /// other.
    fn is_about(&self, account: &Account, layer: Layer, naming: Naming, address: &str) -> bool {
        let named = match (layer, naming) {
            (Layer::Process, Naming::Own) => None,
            (Layer::Process, Naming::Alias) => self.text(layer, account.address[1]),
            (Layer::File, _) => account
                .address
                .iter()
                .find_map(|name| self.text(layer, name)),
        };
        named.is_none_or(|named| same_address(named, address))
    }

    fn credentials(&self, account: &Account, address: &str) -> Result<Option<User>, Error> {
        let allowed = |layer: &Layer, naming| self.is_about(account, *layer, naming, address);
        // Both from one source first: the other source may be about another service.
        for layer in Layer::ALL {
            for naming in Naming::ALL {
                let text = |names| self.text(layer, naming.of(names));
                if let Some(user) = pair(text(account.username), text(account.password))
                    && allowed(&layer, naming)
                {
                    return Ok(Some(user));
                }
            }
        }
        for naming in Naming::ALL {
            let place = |names| {
                let mut layers = Layer::ALL.into_iter().filter(|it| allowed(it, naming));
                layers.find(|layer| self.text(*layer, naming.of(names)).is_some())
            };
            let text = |names| self.text(place(names)?, naming.of(names));
            let (username, password) = (account.username, account.password);
            if let Some(user) = pair(text(username), text(password)) {
                return Ok(Some(user));
            }
            let (present, absent) = match (place(username), place(password)) {
                (Some(layer), _) => ((layer, username), password),
                (None, Some(layer)) => ((layer, password), username),
                (None, None) => continue,
            };
            let (layer, present) = (present.0, naming.of(present.1));
            let absent = naming.of(absent);
            let origin = self.origin(layer, present);
            if naming == Naming::Own {
                return Err(Error::HalfCredentials {
                    origin: Box::new(origin),
                    absent,
                });
            }
            // It may be the key of another service.
            self.note(format!(
                "{origin} is not used, because `{absent}` is not set"
            ));
        }
        Ok(None)
    }
}

fn pair(username: Option<&str>, password: Option<&str>) -> Option<User> {
    Some(User::new(username?, Secret::new(password?)))
}

/// Compares addresses, or lists of them.
fn same_address(left: &str, right: &str) -> bool {
    let parts = |text: &str| {
        let mut parts: Vec<String> = text
            .split(',')
            .map(|part| part.trim().trim_end_matches('/').to_ascii_lowercase())
            .collect();
        parts.sort();
        parts
    };
    parts(left) == parts(right)
}
