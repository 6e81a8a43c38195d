//! What configurations belong to, as the three requests about them name it.

use kafka_protocol::error::ResponseError;

use crate::api::refusal::Refusal;
use crate::cluster::{Cluster, NODE_ID, TopicRef};
use crate::config::{self, Overrides};
use crate::wire::{self, Reader};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// A topic, a broker, or something this broker does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resource<'a> {
    /// The number of its kind.
    pub kind: i8,
    /// Its name: of a topic, or a broker's id.
    pub name: &'a str,
}

/// What a resource turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner<'a> {
    /// A topic, perhaps one that does not exist.
    Topic(&'a str),
    /// This broker.
    Broker,
}

impl<'a> Resource<'a> {
    /// Decodes kind and name.
    pub fn decode(reader: &mut Reader<'a>) -> Result<Self, wire::Error> {
        Ok(Self {
            kind: reader.i8()?,
            name: reader.string()?,
        })
    }

    /// Returns what it is.
    pub fn owner(&self) -> Result<Owner<'a>, Refusal> {
        match self.kind {
            TOPIC => Ok(Owner::Topic(self.name)),
            // Empty stands for the defaults of all brokers.
            BROKER if self.name.is_empty() || self.name == NODE_ID.to_string() => Ok(Owner::Broker),
            BROKER => Err(Refusal::new(
                ResponseError::InvalidRequest,
                "there is only one broker",
            )),
            _ => Err(Refusal::new(
                ResponseError::InvalidRequest,
                "only topics and the broker have configurations",
            )),
        }
    }

    /// Changes the settings of a topic; the broker's cannot be changed while it runs.
    pub fn alter(
        &self,
        cluster: &Cluster,
        validate_only: bool,
        change: impl FnOnce(&mut Overrides) -> Result<(), config::Error>,
    ) -> Result<(), Refusal> {
        let Owner::Topic(name) = self.owner()? else {
            return Err(Refusal::new(
                ResponseError::InvalidRequest,
                "the broker's settings are fixed when it starts",
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

impl From<config::Error> for Refusal {
    fn from(error: config::Error) -> Self {
        Self::new(ResponseError::InvalidConfig, &error.to_string())
    }
}
