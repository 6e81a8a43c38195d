//! Joining a group: new members, members that join again, and restarted static members.

use kafka_protocol::error::ResponseError;

use crate::group::answer::{Answer, Joined, JoinedMember, Refused, Ticket};
use crate::group::member::Member;
use crate::group::membership::machine::Membership;
use crate::group::membership::request::{Identity, Join};
use crate::group::membership::state::State;

/// Limit on the members of one group.
const MAX_MEMBERS: usize = 1_000;

/// Limit on what all members of a group state when they join: it is written to disk with each
/// rebalance, and sent to the leader.
pub(super) const MAX_PROFILE_BYTES: usize = 4 * 1024 * 1024;

impl Membership {
    /// Returns about how many bytes the members take.
    pub fn bytes(&self) -> usize {
        let members = self.members.values();
        members
            .map(|member| member.profile.bytes() + member.assignment.len())
            .sum()
    }

    pub(super) fn admit(&mut self, now: u64, join: Join, ticket: Ticket) -> Result<(), Refused> {
        self.check_protocols(&join)?;
        let id = join.profile.id.as_str();
        let others = self.members.iter().filter(|(known, _)| *known != id);
        let others: usize = others.map(|(_, member)| member.profile.bytes()).sum();
        if others + join.profile.bytes() > MAX_PROFILE_BYTES {
            return Err(ResponseError::GroupMaxSizeReached.into());
        }
        if id.is_empty() {
            return self.admit_new(now, join, ticket);
        }
        if self.pending.remove(id).is_some() {
            self.add(now, join, ticket);
            return Ok(());
        }
        let identity = Identity {
            member: id,
            instance: join.profile.instance_id.as_deref(),
        };
        self.check_identity(identity)?;
        self.readmit(now, join, ticket);
        Ok(())
    }

    fn admit_new(&mut self, now: u64, mut join: Join, ticket: Ticket) -> Result<(), Refused> {
        let fresh_id = join.fresh_id.clone();
        let instance = join.profile.instance_id.as_deref();
        let replaced = instance
            .and_then(|name| self.instance(name))
            .map(str::to_owned);
        if let Some(replaced) = replaced {
            join.profile.id = fresh_id;
            self.replace(now, &replaced, join, ticket);
            return Ok(());
        }
        if self.members.len() + self.pending.len() >= MAX_MEMBERS {
            return Err(ResponseError::GroupMaxSizeReached.into());
        }
        if join.id_required && join.profile.instance_id.is_none() {
            let deadline = now.saturating_add(join.profile.session_timeout);
            self.pending.insert(fresh_id.clone(), deadline);
            return Err(Refused {
                error: ResponseError::MemberIdRequired,
                member_id: fresh_id,
            });
        }
        join.profile.id = fresh_id;
        self.add(now, join, ticket);
        Ok(())
    }

    fn add(&mut self, now: u64, join: Join, ticket: Ticket) {
        let mut member = Member::new(join.profile, now);
        member.joining = Some(ticket);
        if self.members.is_empty() {
            self.protocol_type = join.protocol_type;
        }
        self.members.insert(member.profile.id.clone(), member);
        self.extend_initial_wait(now);
        self.prepare(now);
    }

    /// Joins a known member again; changes nothing if the member only missed a response.
    fn readmit(&mut self, now: u64, join: Join, ticket: Ticket) {
        let id = join.profile.id.clone();
        let is_leader = self.leader.as_ref() == Some(&id);
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        let unchanged = member.profile.protocols == join.profile.protocols;
        member.profile = join.profile;
        member.touch(now);
        let missed_a_response = match self.state {
            State::Completing { .. } => unchanged,
            State::Stable => unchanged && !is_leader,
            State::Empty | State::Preparing { .. } => false,
        };
        if missed_a_response {
            let joined = self.joined(&id);
            self.answer(ticket, Answer::Joined(Ok(joined)));
            return;
        }
        let member = self.members.get_mut(&id);
        let older = member.and_then(|member| member.joining.replace(ticket));
        if let Some(older) = older {
            let refused = ResponseError::RebalanceInProgress.into();
            self.answer(older, Answer::Joined(Err(refused)));
        }
        self.prepare(now);
    }

    /// Replaces a static member by its restarted instance.
    fn replace(&mut self, now: u64, replaced: &str, join: Join, ticket: Ticket) {
        let id = join.profile.id.clone();
        let former_leader = self.leader.clone();
        let was_leader = former_leader.as_deref() == Some(replaced);
        let mut member = Member::new(join.profile, now);
        if let Some(former) = self.members.remove(replaced) {
            member.assignment = former.assignment.clone();
            self.refuse_waiting(&former, ResponseError::FencedInstanceId);
        }
        self.members.insert(id.clone(), member);
        if was_leader {
            self.leader = Some(id.clone());
        }
        let stays_stable = self.state == State::Stable && self.select_protocol() == self.protocol;
        if stays_stable {
            self.changed = true;
            let mut joined = self.joined(&id);
            if was_leader && join.can_skip_assignment {
                joined.skip_assignment = true;
            } else {
                // A member that does not know it is the leader requests its previous assignment.
                joined.leader = former_leader.unwrap_or_default();
                joined.members.clear();
            }
            self.answer(ticket, Answer::Joined(Ok(joined)));
            return;
        }
        if let Some(member) = self.members.get_mut(&id) {
            member.joining = Some(ticket);
        }
        self.prepare(now);
    }

    /// Extends the first rebalance: each new member makes the group wait for more.
    fn extend_initial_wait(&mut self, now: u64) {
        let longest = self.longest_rebalance();
        if let State::Preparing {
            deadline,
            initial: true,
        } = &mut self.state
        {
            let latest = now.saturating_add(longest);
            *deadline = now
                .saturating_add(self.join_delay)
                .min(latest)
                .max(*deadline);
        }
    }

    fn check_protocols(&self, join: &Join) -> Result<(), ResponseError> {
        let profile = &join.profile;
        let alone = self.members.keys().all(|id| *id == profile.id);
        let same_type = alone || self.protocol_type == join.protocol_type;
        let mut protocols = profile.protocols.iter();
        let common = protocols.any(|protocol| self.all_support(&protocol.name, &profile.id));
        if join.protocol_type.is_empty() || !same_type || !common {
            return Err(ResponseError::InconsistentGroupProtocol);
        }
        Ok(())
    }

    pub(super) fn joined(&self, id: &str) -> Joined {
        let leader = self.leader.clone().unwrap_or_default();
        let protocol = self.protocol.clone().unwrap_or_default();
        let members = if leader == id {
            let members = self.members.iter();
            members
                .map(|(id, member)| JoinedMember {
                    id: id.clone(),
                    instance_id: member.profile.instance_id.clone(),
                    metadata: member.metadata(&protocol),
                })
                .collect()
        } else {
            Vec::new()
        };
        Joined {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol,
            leader,
            member: id.to_owned(),
            members,
            skip_assignment: false,
        }
    }
}
