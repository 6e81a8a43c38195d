//! Accepting the leader's assignments and handing them out.

use bytes::Bytes;
use kafka_protocol::error::ResponseError;

use crate::group::answer::{Answer, Synced, Ticket};
use crate::group::membership::admission::MAX_PROFILE_BYTES;
use crate::group::membership::machine::Membership;
use crate::group::membership::request::Sync;
use crate::group::membership::state::State;

impl Membership {
    pub(super) fn assign(
        &mut self,
        now: u64,
        sync: Sync<'_>,
        ticket: Ticket,
    ) -> Result<(), ResponseError> {
        let state = self.state;
        let member = self.check_member(sync.identity, sync.generation)?;
        member.touch(now);
        member.synced = true;
        let differs = |said: Option<&str>, known: Option<&str>| said.is_some() && said != known;
        if differs(sync.protocol_type, Some(&self.protocol_type))
            || differs(sync.protocol, self.protocol.as_deref())
        {
            return Err(ResponseError::InconsistentGroupProtocol);
        }
        let id = sync.identity.member;
        match state {
            State::Empty => Err(ResponseError::UnknownMemberId),
            State::Preparing { .. } => Err(ResponseError::RebalanceInProgress),
            State::Stable => {
                self.answer_sync(id, ticket);
                Ok(())
            }
            State::Completing { .. } => {
                let member = self.members.get_mut(id);
                let older = member.and_then(|member| member.syncing.replace(ticket));
                if let Some(older) = older {
                    let error = ResponseError::RebalanceInProgress;
                    self.answer(older, Answer::Synced(Err(error)));
                }
                if self.leader.as_deref() == Some(id) {
                    let assignments = sync.assignments.iter();
                    let bytes: usize = assignments.map(|(_, bytes)| bytes.len()).sum();
                    if bytes > MAX_PROFILE_BYTES {
                        return Err(ResponseError::UnknownServerError);
                    }
                    self.stabilize(sync.assignments);
                }
                Ok(())
            }
        }
    }

    fn stabilize(&mut self, assignments: Vec<(&str, Bytes)>) {
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
        }
        for (id, assignment) in assignments {
            if let Some(member) = self.members.get_mut(id) {
                member.assignment = assignment;
            }
        }
        self.state = State::Stable;
        self.changed = true;
        let waiting: Vec<(String, Ticket)> = self
            .members
            .iter_mut()
            .filter_map(|(id, member)| Some((id.clone(), member.syncing.take()?)))
            .collect();
        for (id, ticket) in waiting {
            self.answer_sync(&id, ticket);
        }
    }

    /// Evicts members that have not requested their assignment.
    pub(super) fn evict_unsynced(&mut self, now: u64) {
        let absent: Vec<String> = self
            .members
            .iter()
            .filter(|(_, member)| !member.synced)
            .map(|(id, _)| id.clone())
            .collect();
        for id in absent {
            self.remove(now, &id, ResponseError::UnknownMemberId);
        }
        if let State::Completing { .. } = self.state {
            // All members asked, but the leader sent no assignments.
            self.prepare(now);
        }
    }

    fn answer_sync(&mut self, id: &str, ticket: Ticket) {
        let assignment = self.members.get(id).map(|member| member.assignment.clone());
        let synced = Synced {
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone().unwrap_or_default(),
            assignment: assignment.unwrap_or_default(),
        };
        self.answer(ticket, Answer::Synced(Ok(synced)));
    }

    pub(super) fn refuse_syncing(&mut self) {
        let members = self.members.values_mut();
        let waiting: Vec<Ticket> = members.filter_map(|member| member.syncing.take()).collect();
        for ticket in waiting {
            let error = ResponseError::RebalanceInProgress;
            self.answer(ticket, Answer::Synced(Err(error)));
        }
    }
}
