//! The state machine of one group: transitions and deadlines.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::error::ResponseError;

use crate::group::answer::{Answer, Ticket};
use crate::group::member::{Member, subscribed_topics};
use crate::group::membership::request::{Identity, Join, Sync};
use crate::group::membership::state::State;

/// The members of a group and the state of their rebalance.
#[derive(Debug)]
pub struct Membership {
    pub(in crate::group) state: State,
    pub(in crate::group) generation: i32,
    pub(in crate::group) protocol_type: String,
    pub(in crate::group) protocol: Option<String>,
    pub(in crate::group) leader: Option<String>,
    pub(in crate::group) members: BTreeMap<String, Member>,
    /// Ids of clients that have not joined yet, each with its deadline.
    pub(in crate::group) pending: BTreeMap<String, u64>,
    pub(in crate::group) join_delay: u64,
    /// Whether members or assignments changed since the last snapshot.
    pub(in crate::group) changed: bool,
    pub(in crate::group) answers: Vec<(Ticket, Answer)>,
}

impl Membership {
    /// Returns an empty group, which waits `join_delay` nanoseconds for more members after its first.
    pub fn new(join_delay: u64) -> Self {
        Self {
            state: State::Empty,
            generation: 0,
            protocol_type: String::new(),
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            pending: BTreeMap::new(),
            join_delay,
            changed: false,
            answers: Vec::new(),
        }
    }

    /// Returns the new answers to tickets.
    pub fn take_answers(&mut self) -> Vec<(Ticket, Answer)> {
        std::mem::take(&mut self.answers)
    }

    /// Whether the group has no members, and no client is about to join.
    pub fn is_empty(&self) -> bool {
        self.state == State::Empty && self.pending.is_empty()
    }

    /// Returns the next deadline that [`expire`](Self::expire) enforces.
    pub fn next_deadline(&self) -> Option<u64> {
        let state = match self.state {
            State::Preparing { deadline, .. } | State::Completing { deadline } => Some(deadline),
            State::Empty | State::Stable => None,
        };
        let members = self.members.values();
        let sessions = members
            .filter(|member| member.joining.is_none())
            .map(|member| member.session_deadline);
        let pending = self.pending.values().copied();
        state.into_iter().chain(sessions).chain(pending).min()
    }

    /// Joins a member; the ticket is answered when all members have joined.
    pub fn join(&mut self, now: u64, join: Join, ticket: Ticket) {
        if let Err(refused) = self.admit(now, join, ticket) {
            self.answer(ticket, Answer::Joined(Err(refused)));
        }
    }

    /// Accepts or hands out assignments; the ticket is answered after the leader's request.
    pub fn sync(&mut self, now: u64, sync: Sync<'_>, ticket: Ticket) {
        if let Err(error) = self.assign(now, sync, ticket) {
            self.answer(ticket, Answer::Synced(Err(error)));
        }
    }

    /// Records a heartbeat.
    pub fn heartbeat(
        &mut self,
        now: u64,
        identity: Identity<'_>,
        generation: i32,
    ) -> Result<(), ResponseError> {
        let state = self.state;
        self.check_member(identity, generation)?.touch(now);
        match state {
            State::Empty => Err(ResponseError::UnknownMemberId),
            State::Preparing { .. } => Err(ResponseError::RebalanceInProgress),
            State::Completing { .. } | State::Stable => Ok(()),
        }
    }

    /// Checks that a member may commit offsets; counts as a heartbeat.
    pub fn check_commit(
        &mut self,
        now: u64,
        identity: Identity<'_>,
        generation: i32,
    ) -> Result<(), ResponseError> {
        if generation < 0 && self.members.is_empty() {
            return Ok(());
        }
        let state = self.state;
        self.check_member(identity, generation)?.touch(now);
        match state {
            State::Completing { .. } => Err(ResponseError::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    /// Checks that a member may commit offsets with a transaction. Old clients name no member.
    pub fn check_transactional_commit(
        &mut self,
        now: u64,
        identity: Identity<'_>,
        generation: i32,
    ) -> Result<(), ResponseError> {
        let anonymous = identity.member.is_empty() && identity.instance.is_none();
        if generation < 0 && (anonymous || self.members.is_empty()) {
            return Ok(());
        }
        self.check_member(identity, generation)?.touch(now);
        Ok(())
    }

    /// Removes a member.
    pub fn leave(&mut self, now: u64, identity: Identity<'_>) -> Result<(), ResponseError> {
        let named = identity.instance.and_then(|name| self.instance(name));
        let id = match (named, identity.instance) {
            (Some(id), _) if identity.member.is_empty() || identity.member == id => id.to_owned(),
            (Some(_), _) => return Err(ResponseError::FencedInstanceId),
            (None, Some(_)) => return Err(ResponseError::UnknownMemberId),
            (None, None) => identity.member.to_owned(),
        };
        if self.pending.remove(&id).is_some() {
            self.complete_join_if_all_joined(now);
            return Ok(());
        }
        if !self.members.contains_key(&id) {
            return Err(ResponseError::UnknownMemberId);
        }
        self.remove(now, &id, ResponseError::UnknownMemberId);
        Ok(())
    }

    /// Evicts members after their session timeout, and ends waits after their deadline.
    pub fn expire(&mut self, now: u64) {
        self.pending.retain(|_, deadline| *deadline > now);
        let silent: Vec<String> = self
            .members
            .iter()
            .filter(|(_, member)| member.joining.is_none() && member.session_deadline <= now)
            .map(|(id, _)| id.clone())
            .collect();
        for id in silent {
            self.remove(now, &id, ResponseError::UnknownMemberId);
        }
        match self.state {
            State::Preparing { deadline, .. } if deadline <= now => self.complete_join(now),
            State::Preparing { .. } => self.complete_join_if_all_joined(now),
            State::Completing { deadline } if deadline <= now => self.evict_unsynced(now),
            State::Empty | State::Completing { .. } | State::Stable => {}
        }
    }

    /// Returns the topics that members subscribe to; `None` if a subscription cannot be decoded.
    pub fn subscriptions(&self) -> Option<BTreeSet<String>> {
        let protocol = self.protocol.as_deref()?;
        let mut topics = BTreeSet::new();
        for member in self.members.values() {
            let metadata = member.metadata(protocol);
            let subscribed = subscribed_topics(&metadata).ok()?;
            topics.extend(subscribed.into_iter().map(str::to_owned));
        }
        Some(topics)
    }

    /// Starts a rebalance, or completes the current one if possible.
    pub(super) fn prepare(&mut self, now: u64) {
        match self.state {
            State::Preparing { .. } => {}
            State::Empty => {
                self.state = State::Preparing {
                    deadline: now.saturating_add(self.join_delay),
                    initial: true,
                };
            }
            State::Completing { .. } | State::Stable => {
                self.refuse_syncing();
                self.state = State::Preparing {
                    deadline: now.saturating_add(self.longest_rebalance()),
                    initial: false,
                };
            }
        }
        self.complete_join_if_all_joined(now);
    }

    pub(super) fn complete_join_if_all_joined(&mut self, now: u64) {
        let State::Preparing { deadline, initial } = self.state else {
            return;
        };
        let all_joined =
            self.pending.is_empty() && self.members.values().all(|member| member.joining.is_some());
        if all_joined && (!initial || deadline <= now) {
            self.complete_join(now);
        }
    }

    /// Ends the wait for members: those that joined form the next generation.
    pub(super) fn complete_join(&mut self, now: u64) {
        // Static members that did not join may be restarting: only their session timeout evicts
        // them.
        let late: Vec<String> = self
            .members
            .iter()
            .filter(|(_, member)| member.joining.is_none() && member.profile.instance_id.is_none())
            .map(|(id, _)| id.clone())
            .collect();
        for id in late {
            self.members.remove(&id);
        }
        self.generation = self.generation.wrapping_add(1).max(1);
        if self.members.is_empty() {
            self.state = State::Empty;
            self.changed = true;
            self.protocol = None;
            self.leader = None;
            return;
        }
        self.protocol = self.select_protocol();
        self.choose_leader();
        self.state = State::Completing {
            deadline: now.saturating_add(self.longest_rebalance()),
        };
        let joining: Vec<(String, Ticket)> = self
            .members
            .iter_mut()
            .filter_map(|(id, member)| {
                member.synced = false;
                member.touch(now);
                Some((id.clone(), member.joining.take()?))
            })
            .collect();
        for (id, ticket) in joining {
            let joined = self.joined(&id);
            self.answer(ticket, Answer::Joined(Ok(joined)));
        }
    }

    pub(super) fn remove(&mut self, now: u64, id: &str, error: ResponseError) {
        let Some(member) = self.members.remove(id) else {
            return;
        };
        self.refuse_waiting(&member, error);
        match self.state {
            State::Preparing { .. } => self.complete_join_if_all_joined(now),
            State::Completing { .. } | State::Stable => self.prepare(now),
            State::Empty => {}
        }
    }

    pub(super) fn choose_leader(&mut self) {
        let joined = |id: &String| {
            let member = self.members.get(id);
            member.is_some_and(|member| member.joining.is_some())
        };
        if self.leader.as_ref().is_some_and(joined) {
            return;
        }
        let first = self.members.keys().find(|id| joined(id));
        self.leader = first.or(self.members.keys().next()).cloned();
    }

    /// Returns the protocol that all members support and most prefer.
    pub(super) fn select_protocol(&self) -> Option<String> {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members.values() {
            let mut protocols = member.profile.protocols.iter();
            let preferred = protocols.find(|protocol| self.all_support(&protocol.name, ""));
            if let Some(preferred) = preferred {
                *votes.entry(&preferred.name).or_default() += 1;
            }
        }
        let winner = votes.into_iter().max_by_key(|(_, votes)| *votes);
        winner.map(|(protocol, _)| protocol.to_owned())
    }

    pub(super) fn all_support(&self, protocol: &str, except: &str) -> bool {
        let mut members = self.members.iter();
        members.all(|(id, member)| id == except || member.supports(protocol))
    }

    pub(super) fn check_identity(&self, identity: Identity<'_>) -> Result<(), ResponseError> {
        if let Some(name) = identity.instance {
            match self.instance(name) {
                Some(id) if id == identity.member => {}
                Some(_) => return Err(ResponseError::FencedInstanceId),
                None => return Err(ResponseError::UnknownMemberId),
            }
        }
        if self.members.contains_key(identity.member) {
            Ok(())
        } else {
            Err(ResponseError::UnknownMemberId)
        }
    }

    pub(super) fn check_member(
        &mut self,
        identity: Identity<'_>,
        generation: i32,
    ) -> Result<&mut Member, ResponseError> {
        self.check_identity(identity)?;
        if generation != self.generation {
            return Err(ResponseError::IllegalGeneration);
        }
        self.members
            .get_mut(identity.member)
            .ok_or(ResponseError::UnknownMemberId)
    }

    pub(super) fn instance(&self, name: &str) -> Option<&str> {
        let mut members = self.members.iter();
        members
            .find(|(_, member)| member.profile.instance_id.as_deref() == Some(name))
            .map(|(id, _)| id.as_str())
    }

    pub(super) fn longest_rebalance(&self) -> u64 {
        let timeouts = self
            .members
            .values()
            .map(|member| member.profile.rebalance_timeout);
        timeouts.max().unwrap_or(0)
    }

    pub(super) fn refuse_waiting(&mut self, member: &Member, error: ResponseError) {
        if let Some(ticket) = member.joining {
            self.answer(ticket, Answer::Joined(Err(error.into())));
        }
        if let Some(ticket) = member.syncing {
            self.answer(ticket, Answer::Synced(Err(error)));
        }
    }

    pub(super) fn answer(&mut self, ticket: Ticket, answer: Answer) {
        self.answers.push((ticket, answer));
    }
}
