//! One member of a group: joins, sends heartbeats, commits, leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::heartbeat_request::HeartbeatRequest;
use kafka_protocol::messages::join_group_request::{JoinGroupRequest, JoinGroupRequestProtocol};
use kafka_protocol::messages::leave_group_request::{LeaveGroupRequest, MemberIdentity};
use kafka_protocol::messages::sync_group_request::{SyncGroupRequest, SyncGroupRequestAssignment};

use crate::broker::client::Connector;
use crate::broker::error::Error;
use crate::broker::group::assignment::assign;
use crate::broker::group::coordinator::Coordinator;
use crate::broker::group::identity::{Identity, NO_GENERATION};
use crate::broker::group::offsets::{COMMIT_METADATA, Committed, Offsets};
use crate::broker::group::protocol::{
    Partitions, Subscription, decode_assignment, encode_assignment,
};
use crate::broker::group::requests::{
    ASSIGNOR, HEARTBEAT, HEARTBEAT_WITH_INSTANCE, JOIN_GROUP, JOIN_WITH_INSTANCE, JoinAnswer,
    LEAVE_GROUP, LEAVE_WITH_MEMBERS, PROTOCOL_TYPE, SYNC_GROUP, SYNC_WITH_INSTANCE, decode_code,
    decode_join, decode_sync, group_id, milliseconds, text,
};
use crate::broker::remedy::{GroupStep, Remedy};
use crate::broker::wire::Response;

/// Lowest session timeout that brokers allow by default (`group.min.session.timeout.ms`).
pub const LOWEST_SESSION_TIMEOUT: Duration = Duration::from_secs(6);

/// Settings of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberSettings {
    /// Id of the group.
    pub group: String,
    /// Name of the client that the broker's tools show.
    pub client_id: String,
    /// Topics to read.
    pub topics: BTreeSet<String>,
    /// Id of a static member: it keeps its partitions while it restarts.
    pub instance: Option<String>,
    /// A member without a heartbeat for this long is evicted.
    pub session_timeout: Duration,
    /// Time within which all members must join again when the group rebalances.
    pub rebalance_timeout: Duration,
}

/// A member's part of a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// Number of the generation.
    pub generation: i32,
    /// Partitions that the member has from now on.
    pub assigned: Partitions,
    /// Whether the group has no other member.
    pub alone: bool,
}

/// A member of a group.
#[derive(Debug)]
pub struct GroupMember {
    coordinator: Coordinator,
    settings: MemberSettings,
    identity: Identity,
    /// Generation of the last assignment, which later subscriptions state.
    assigned_in: Option<i32>,
    /// Numbers of partitions that this member has assigned as the leader; `None` for topics that do
    /// not exist. Empty if another member leads.
    led: BTreeMap<String, Option<u32>>,
}

impl Connector {
    /// Returns a member that has not joined its group yet.
    pub fn group_member(&self, settings: MemberSettings) -> GroupMember {
        GroupMember {
            // A later heartbeat would be too late.
            coordinator: self
                .coordinator(&settings.group, &settings.client_id)
                .with_timeout(settings.session_timeout),
            identity: Identity {
                instance: settings.instance.clone(),
                ..Identity::default()
            },
            settings,
            assigned_in: None,
            led: BTreeMap::new(),
        }
    }
}

/// Returns whether the broker refused a request with this error code.
fn refused_with<T>(answer: &Result<T, Error>, code: ResponseError) -> bool {
    let refused = answer.as_ref().err().and_then(Error::code);
    refused == Some(code.into())
}

impl GroupMember {
    /// Joins the group, or joins it again, with the partitions that this member has not given up.
    ///
    /// Waits until the other members have joined, at most for the rebalance timeout.
    pub async fn join(&mut self, owned: &Partitions) -> Result<Joined, Error> {
        let mut answer = self.join_once(owned).await;
        if refused_with(&answer, ResponseError::InvalidSessionTimeout)
            && self.raise_session_timeout()
        {
            answer = self.join_once(owned).await;
        }
        if refused_with(&answer, ResponseError::MemberIdRequired) {
            answer = self.join_once(owned).await;
        }
        let answer = answer.map_err(|error| self.react(error))?;
        let synced = self.sync(answer).await;
        synced.map_err(|error| self.react(error))
    }

    /// Takes the lowest session timeout that brokers allow by default. Returns false if it is not lower
    /// now.
    fn raise_session_timeout(&mut self) -> bool {
        let lower = self.settings.session_timeout < LOWEST_SESSION_TIMEOUT;
        if lower {
            tracing::warn!(
                "the broker refused a session timeout of {:?}: using {LOWEST_SESSION_TIMEOUT:?}",
                self.settings.session_timeout
            );
            self.settings.session_timeout = LOWEST_SESSION_TIMEOUT;
        }
        lower
    }

    /// Sends a heartbeat.
    pub async fn heartbeat(&mut self) -> Result<(), Error> {
        let (group, identity) = (group_id(&self.settings.group), &self.identity);
        let request = |version| {
            let request = HeartbeatRequest::default()
                .with_group_id(group)
                .with_generation_id(identity.generation)
                .with_member_id(text(&identity.member_id));
            match &identity.instance {
                Some(instance) if version >= HEARTBEAT_WITH_INSTANCE => {
                    request.with_group_instance_id(Some(text(instance)))
                }
                _ => request,
            }
        };
        let sent = self.coordinator.call(
            GroupStep::Heartbeat,
            HEARTBEAT,
            Duration::ZERO,
            request,
            |response: &Response| Ok((decode_code(response)?, ())),
        );
        let sent = sent.await;
        sent.map_err(|error| self.react(error))
    }

    /// Returns whether this member leads the group and topics have other partitions than it has
    /// assigned, so that it must join again.
    pub async fn has_other_partitions(&mut self) -> Result<bool, Error> {
        for (topic, count) in self.led.clone() {
            let now = self.coordinator.partitions(&topic).await;
            if now.map_err(|error| self.react(error))? != count {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns whether this member leads the group and a topic does not exist.
    pub fn lacks_topic(&self) -> bool {
        self.led.values().any(Option::is_none)
    }

    /// Commits offsets.
    pub async fn commit(&mut self, offsets: &Offsets) -> Result<(), Error> {
        let identity = &self.identity;
        let commit = self
            .coordinator
            .commit_as(identity, offsets, COMMIT_METADATA);
        commit.await.map_err(|error| self.react(error))
    }

    /// Requests the committed offsets of partitions. Those without one are absent.
    pub async fn committed(
        &mut self,
        partitions: &Partitions,
    ) -> Result<BTreeMap<(String, i32), Committed>, Error> {
        self.coordinator.committed(partitions).await
    }

    /// Leaves the group. A static member only stops: its partitions wait for it until the session
    /// timeout.
    pub async fn leave(&mut self) -> Result<(), Error> {
        let identity = std::mem::take(&mut self.identity);
        if identity.member_id.is_empty() || identity.instance.is_some() {
            return Ok(());
        }
        let group = group_id(&self.settings.group);
        let member_id = text(&identity.member_id);
        let request = |version| match version {
            LEAVE_WITH_MEMBERS.. => {
                let member = MemberIdentity::default().with_member_id(member_id);
                LeaveGroupRequest::default()
                    .with_group_id(group)
                    .with_members(vec![member])
            }
            _ => LeaveGroupRequest::default()
                .with_group_id(group)
                .with_member_id(member_id),
        };
        let decode = |response: &Response| Ok((decode_code(response)?, ()));
        let left = self.coordinator.call(
            GroupStep::Leave,
            LEAVE_GROUP,
            Duration::ZERO,
            request,
            decode,
        );
        left.await
    }

    async fn join_once(&mut self, owned: &Partitions) -> Result<JoinAnswer, Error> {
        let subscription = Subscription {
            topics: self.settings.topics.clone(),
            owned: owned.clone(),
            generation: self.assigned_in,
        };
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(text(ASSIGNOR))
            .with_metadata(subscription.encode());
        let (settings, member_id) = (&self.settings, text(&self.identity.member_id));
        let request = |version| {
            let request = JoinGroupRequest::default()
                .with_group_id(group_id(&settings.group))
                .with_session_timeout_ms(milliseconds(settings.session_timeout))
                .with_rebalance_timeout_ms(milliseconds(settings.rebalance_timeout))
                .with_member_id(member_id)
                .with_protocol_type(text(PROTOCOL_TYPE))
                .with_protocols(vec![protocol]);
            match &settings.instance {
                Some(instance) if version >= JOIN_WITH_INSTANCE => {
                    request.with_group_instance_id(Some(text(instance)))
                }
                _ => request,
            }
        };
        // A new member gets its id with an error code.
        let mut member_id = None;
        let decode = |response: &Response| {
            let answer = decode_join(response)?;
            member_id = Some(answer.member_id.clone());
            Ok((answer.code, answer))
        };
        let wait = settings.rebalance_timeout;
        let joining = self
            .coordinator
            .call(GroupStep::Join, JOIN_GROUP, wait, request, decode);
        let answer = joining.await;
        let required = |error: &Error| error.code() == Some(ResponseError::MemberIdRequired.into());
        if answer.as_ref().err().is_none_or(required)
            && let Some(member_id) = member_id
        {
            self.identity.member_id = member_id;
        }
        answer
    }

    /// Sends or receives the assignment of a generation.
    async fn sync(&mut self, answer: JoinAnswer) -> Result<Joined, Error> {
        self.identity.generation = answer.generation;
        let leads = answer.leader == self.identity.member_id;
        let alone = leads && answer.members.len() == 1;
        self.led.clear();
        let assignments = if leads {
            let assignments = self.assign(answer.members).await?;
            // The leader of a static group that restarts keeps the present assignment.
            if answer.skip_assignment {
                Vec::new()
            } else {
                assignments
            }
        } else {
            Vec::new()
        };
        let (group, identity) = (group_id(&self.settings.group), &self.identity);
        let request = |version| {
            let mut request = SyncGroupRequest::default()
                .with_group_id(group)
                .with_generation_id(identity.generation)
                .with_member_id(text(&identity.member_id))
                .with_assignments(assignments);
            if version >= 5 {
                request = request
                    .with_protocol_type(Some(text(PROTOCOL_TYPE)))
                    .with_protocol_name(Some(text(ASSIGNOR)));
            }
            match &identity.instance {
                Some(instance) if version >= SYNC_WITH_INSTANCE => {
                    request.with_group_instance_id(Some(text(instance)))
                }
                _ => request,
            }
        };
        let wait = self.settings.rebalance_timeout;
        let synced =
            self.coordinator
                .call(GroupStep::Sync, SYNC_GROUP, wait, request, |response| {
                    let (code, assignment) = decode_sync(response)?;
                    let assigned = match code {
                        0 => decode_assignment(&assignment)?,
                        _ => Partitions::new(),
                    };
                    Ok((code, assigned))
                });
        let assigned = synced.await?;
        self.assigned_in = Some(answer.generation);
        Ok(Joined {
            generation: answer.generation,
            assigned,
            alone,
        })
    }

    /// Assigns the partitions, as the leader of the group.
    async fn assign(
        &mut self,
        members: Vec<(String, Bytes)>,
    ) -> Result<Vec<SyncGroupRequestAssignment>, Error> {
        let mut subscriptions = BTreeMap::new();
        for (member, bytes) in members {
            let subscription = Subscription::decode(&bytes).unwrap_or_else(|error| {
                tracing::warn!(member, %error, "a member's subscription is not valid; it gets no partition");
                Subscription::default()
            });
            subscriptions.insert(member, subscription);
        }
        let topics: BTreeSet<&String> = subscriptions.values().flat_map(|it| &it.topics).collect();
        let mut counts = BTreeMap::new();
        for topic in topics {
            let count = self.coordinator.partitions(topic).await?;
            self.led.insert(topic.clone(), count);
            counts.extend(count.map(|count| (topic.clone(), count)));
        }
        let assigned = assign(&subscriptions, &counts).into_iter();
        let assignment = |(member, partitions): (String, Partitions)| {
            SyncGroupRequestAssignment::default()
                .with_member_id(text(&member))
                .with_assignment(encode_assignment(&partitions))
        };
        Ok(assigned.map(assignment).collect())
    }

    /// Forgets what the coordinator no longer accepts.
    fn react(&mut self, error: Error) -> Error {
        if error.remedy() == Remedy::Lost {
            self.identity.generation = NO_GENERATION;
            self.assigned_in = None;
            if error.code() == Some(ResponseError::UnknownMemberId.into()) {
                self.identity.member_id.clear();
            }
        }
        error
    }
}
