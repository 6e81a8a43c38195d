//! The owner of settings in `DescribeConfigs`, `AlterConfigs` and `IncrementalAlterConfigs`.

use kafka_protocol::error::ResponseError;

use crate::api::refusal::Refusal;
use crate::broker_config::{self, Layer};
use crate::cluster::{Cluster, NODE_ID, TopicRef};
use crate::config::{self, Known, Overrides};
use crate::wire::{self, Reader};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// A topic, a broker, or a resource that this broker does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resource<'a> {
    /// Type of the resource.
    pub kind: i8,
    /// Name of the topic, or id of the broker.
    pub name: &'a str,
}

/// A supported resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner<'a> {
    /// A topic, which may not exist.
    Topic(&'a str),
    /// This broker, or all brokers.
    Broker(Layer),
}

impl<'a> Resource<'a> {
    pub fn decode(reader: &mut Reader<'a>) -> Result<Self, wire::Error> {
        Ok(Self {
            kind: reader.i8()?,
            name: reader.string()?,
        })
    }

    /// Returns the owner, or refuses an unsupported resource.
    pub fn owner(&self) -> Result<Owner<'a>, Refusal> {
        match self.kind {
            TOPIC => Ok(Owner::Topic(self.name)),
            // An empty name stands for the defaults of all brokers.
            BROKER if self.name.is_empty() => Ok(Owner::Broker(Layer::Everywhere)),
            BROKER if self.name == NODE_ID.to_string() => Ok(Owner::Broker(Layer::Own)),
            BROKER => Err(Refusal::new(
                ResponseError::InvalidRequest,
                "unknown broker id: this broker is the only one",
            )),
            _ => Err(Refusal::new(
                ResponseError::InvalidRequest,
                "only topics and the broker have settings",
            )),
        }
    }

    /// Changes the settings of a topic or the broker; `change` gets the owner, which knows the names
    /// of its settings.
    pub fn alter(
        &self,
        cluster: &Cluster,
        validate_only: bool,
        change: impl FnOnce(Owner<'_>, &mut Overrides) -> Result<(), config::Error>,
    ) -> Result<(), Refusal> {
        let owner = self.owner()?;
        let topic = match owner {
            Owner::Topic(name) => Some(cluster.topic(TopicRef::Name(name))?),
            Owner::Broker(_) => None,
        };
        let mut overrides = match owner {
            Owner::Broker(layer) => cluster.broker_config().layer(layer).clone(),
            Owner::Topic(_) => topic
                .as_ref()
                .map(|topic| topic.overrides())
                .unwrap_or_default(),
        };
        change(owner, &mut overrides)?;
        config::check(&overrides)?;
        if validate_only {
            return Ok(());
        }
        match (owner, topic) {
            (Owner::Broker(layer), _) => cluster.configure_broker(layer, overrides)?,
            (Owner::Topic(_), Some(topic)) => cluster.configure_topic(&topic, overrides)?,
            (Owner::Topic(_), None) => {}
        }
        Ok(())
    }
}

impl Owner<'_> {
    /// Returns a setting; one of the broker as the setting of topics that it is the default of.
    pub fn find(self, name: &str) -> Result<&'static Known, config::Error> {
        match self {
            Self::Topic(_) => config::find(name),
            Self::Broker(_) => broker_config::find(name),
        }
    }
}

/// Checks the brokers that a client assigns to a new partition.
pub fn check_assignment(brokers: &[i32]) -> Result<(), Refusal> {
    let message = match brokers {
        [NODE_ID] => return Ok(()),
        [] => "an assignment has no brokers".to_owned(),
        [NODE_ID, NODE_ID, ..] => format!("an assignment names broker {NODE_ID} twice"),
        _ => format!("an assignment names an unknown broker (known: {NODE_ID})"),
    };
    let error = ResponseError::InvalidReplicaAssignment;
    Err(Refusal::new(error, &message))
}

impl From<config::Error> for Refusal {
    fn from(error: config::Error) -> Self {
        let code = match error {
            config::Error::ReadOnly { .. } => ResponseError::InvalidRequest,
            _ => ResponseError::InvalidConfig,
        };
        Self::new(code, &error.to_string())
    }
}
