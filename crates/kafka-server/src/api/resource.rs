//! The owner of settings in `DescribeConfigs`, `AlterConfigs` and `IncrementalAlterConfigs`.

use kafka_protocol::error::ResponseError;

use crate::api::refusal::Refusal;
use crate::cluster::{Cluster, NODE_ID, TopicRef};
use crate::config::{self, Overrides};
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
    Broker,
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
            BROKER if self.name.is_empty() || self.name == NODE_ID.to_string() => Ok(Owner::Broker),
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

    /// Changes the settings of a topic. Those of the broker cannot be changed while it runs.
    pub fn alter(
        &self,
        cluster: &Cluster,
        validate_only: bool,
        change: impl FnOnce(&mut Overrides) -> Result<(), config::Error>,
    ) -> Result<(), Refusal> {
        let Owner::Topic(name) = self.owner()? else {
            return Err(Refusal::new(
                ResponseError::InvalidRequest,
                "the broker's settings cannot be changed while it runs",
            ));
        };
        let topic = cluster.topic(TopicRef::Name(name))?;
        let mut overrides = topic.overrides();
        change(&mut overrides)?;
        config::check(&overrides)?;
        if !validate_only {
            cluster.configure_topic(&topic, overrides)?;
        }
        Ok(())
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
        Self::new(ResponseError::InvalidConfig, &error.to_string())
    }
}
