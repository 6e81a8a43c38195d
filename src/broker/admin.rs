//! Administration of a cluster: which topics it has, and new ones.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use convoy_kafka_server::protocol::{FieldError, Reader};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::{CreateTopicsRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use crate::broker::client::{CONNECT_DEADLINE, Connector};
use crate::broker::error::Error;
use crate::broker::wire::{self, Connection, ErrorCode, Response, connect_any};

const CREATE_TOPICS: RangeInclusive<i16> = 2..=7;

/// What a broker responds about a topic that it was asked to create.
struct Created {
    name: String,
    code: i16,
    message: Option<String>,
}

impl Connector {
    /// Returns the number of partitions of each topic of the cluster, without internal topics.
    pub async fn topics(&self) -> Result<BTreeMap<String, usize>, Error> {
        let mut connection = self.connect_any().await?;
        let topics = wire::list_topics(&mut connection, self.request_timeout()).await;
        topics.map_err(|error| Error::ListTopics {
            source: error.into_cause(),
        })
    }

    /// Creates a topic.
    pub async fn create_topic(
        &self,
        topic: &str,
        partitions: i32,
        replication_factor: i16,
    ) -> Result<(), Error> {
        let mut connection = self.connect_any().await?;
        let name = TopicName(StrBytes::from_string(topic.to_owned()));
        let new = CreatableTopic::default()
            .with_name(name)
            .with_num_partitions(partitions)
            .with_replication_factor(replication_factor);
        let created = async {
            self.go_to_controller(&mut connection).await?;
            self.create(&mut connection, new).await
        };
        created
            .await
            .map_err(|error: wire::Error| Error::CreateTopic {
                topic: topic.to_owned(),
                source: error.into_cause(),
            })
    }

    async fn connect_any(&self) -> Result<Connection, Error> {
        let connected = connect_any(self.endpoint(), CONNECT_DEADLINE).await;
        connected.map_err(|error| self.unreachable(error.into_cause()))
    }

    /// Replaces a connection by one to the controller, the only broker that creates topics.
    async fn go_to_controller(&self, connection: &mut Connection) -> Result<(), wire::Error> {
        let controller = wire::controller(connection, self.request_timeout()).await?;
        if controller != connection.address() {
            *connection = Connection::open(self.endpoint(), &controller, CONNECT_DEADLINE).await?;
        }
        Ok(())
    }

    async fn create(
        &self,
        connection: &mut Connection,
        new: CreatableTopic,
    ) -> Result<(), wire::Error> {
        let timeout = self.request_timeout();
        let name = new.name.to_string();
        let request = |_version| {
            let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
            CreateTopicsRequest::default()
                .with_topics(vec![new])
                .with_timeout_ms(timeout_ms)
        };
        let created = connection.call(CREATE_TOPICS, request, timeout, decode);
        let mut created = created.await?.into_iter();
        let created = created
            .find(|created| created.name == name)
            .ok_or_else(|| connection.lacks::<CreateTopicsRequest>("the topic"))?;
        ErrorCode::check(created.code)
            .map_err(|code| connection.refused(code, created.message.as_deref()))
    }
}

fn decode(response: &Response) -> Result<Vec<Created>, FieldError> {
    let version = response.version;
    let mut reader = response.reader();
    let _throttle_ms = reader.i32()?;
    reader.array(|reader| {
        let name = reader.string()?.to_owned();
        if version >= 7 {
            let _id = reader.uuid()?;
        }
        let code = reader.i16()?;
        let message = reader.nullable_string()?.map(str::to_owned);
        if version >= 5 {
            let _partitions = reader.i32()?;
            let _replication_factor = reader.i16()?;
            reader.nullable_array(skip_config)?;
        }
        reader.tags()?;
        Ok(Created {
            name,
            code,
            message,
        })
    })
}

fn skip_config(reader: &mut Reader<'_>) -> Result<(), FieldError> {
    let _name = reader.string()?;
    let _value = reader.nullable_string()?;
    let _read_only = reader.bool()?;
    let _source = reader.i8()?;
    let _sensitive = reader.bool()?;
    reader.tags()
}

#[cfg(test)]
mod tests {
    use convoy_kafka_server as embedded_broker;

    use super::*;
    use crate::broker::spec::Endpoint;
    use crate::cause::Trouble;

    #[tokio::test]
    async fn topics_are_listed_with_their_partitions() {
        let settings = embedded_broker::Settings::default();
        let broker = embedded_broker::KafkaServer::start(settings).await.unwrap();
        let connector = Connector::new(Endpoint::plain(broker.bootstrap_servers()));
        assert_eq!(connector.topics().await.unwrap(), BTreeMap::new());
        connector.create_topic("b", 3, 1).await.unwrap();
        connector.create_topic("a", 300, 1).await.unwrap();
        let topics = connector.topics().await.unwrap();
        let expected = [("a".to_owned(), 300), ("b".to_owned(), 3)];
        assert_eq!(topics, BTreeMap::from(expected));
    }

    #[tokio::test]
    async fn refused_topic_has_the_brokers_message_and_code() {
        let settings = embedded_broker::Settings::default();
        let broker = embedded_broker::KafkaServer::start(settings).await.unwrap();
        let connector = Connector::new(Endpoint::plain(broker.bootstrap_servers()));
        connector.create_topic("a", 1, 1).await.unwrap();
        for (name, partitions, replicas, code, trouble) in [
            ("a", 1, 1, "TOPIC_ALREADY_EXISTS (36)", None),
            (
                "b",
                0,
                1,
                "INVALID_PARTITIONS (37)",
                Some(Trouble::Partitions),
            ),
            (
                "b",
                1,
                2,
                "INVALID_REPLICATION_FACTOR (38)",
                Some(Trouble::Replication),
            ),
            (
                "b/c",
                1,
                1,
                "INVALID_TOPIC_EXCEPTION (17)",
                Some(Trouble::TopicName),
            ),
        ] {
            let refused = connector.create_topic(name, partitions, replicas).await;
            let error = refused.unwrap_err();
            let Error::CreateTopic { topic, source } = &error else {
                panic!("{error:?}");
            };
            assert_eq!(topic, name);
            assert!(source.to_string().ends_with(code), "{source}");
            assert_eq!(source.trouble(), trouble);
        }
    }
}
