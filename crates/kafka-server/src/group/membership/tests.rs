//! Schedules of joins, syncs, missed heartbeats and leaves.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use proptest::prelude::*;

use crate::group::answer::{Answer, Joined, Ticket};
use crate::group::member::{Profile, Protocol};
use crate::group::membership::{Identity, Join, Membership, State, Sync};

const SESSION: u64 = 10_000;
const REBALANCE: u64 = 30_000;
const DELAY: u64 = 100;

struct Script {
    membership: Membership,
    now: u64,
    next_ticket: Ticket,
    answers: BTreeMap<Ticket, Answer>,
}

impl Script {
    fn new() -> Self {
        Self {
            membership: Membership::new(DELAY),
            now: 0,
            next_ticket: 0,
            answers: BTreeMap::new(),
        }
    }

    fn profile(id: &str, instance: Option<&str>, protocols: &[&str]) -> Profile {
        let protocol = |name: &&str| Protocol {
            name: (*name).to_owned(),
            metadata: Bytes::new(),
        };
        Profile {
            id: id.to_owned(),
            instance_id: instance.map(str::to_owned),
            client_id: String::new(),
            client_host: String::new(),
            session_timeout: SESSION,
            rebalance_timeout: REBALANCE,
            protocols: protocols.iter().map(protocol).collect(),
        }
    }

    fn ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        self.next_ticket
    }

    /// Joins without a required member id; new members are named `m<ticket>`.
    fn join(&mut self, id: &str, instance: Option<&str>, protocols: &[&str]) -> Ticket {
        let ticket = self.ticket();
        let join = Join {
            profile: Self::profile(id, instance, protocols),
            fresh_id: format!("m{ticket}"),
            protocol_type: "consumer".to_owned(),
            id_required: false,
            can_skip_assignment: true,
        };
        self.membership.join(self.now, join, ticket);
        self.collect();
        ticket
    }

    fn sync(&mut self, joined: &Joined, assignments: &[(&str, &str)]) -> Ticket {
        let ticket = self.ticket();
        let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        let sync = Sync {
            identity: identity(&joined.member),
            generation: joined.generation,
            protocol_type: None,
            protocol: None,
            assignments: assignments
                .iter()
                .map(|(id, assignment)| (*id, bytes(assignment)))
                .collect(),
        };
        self.membership.sync(self.now, sync, ticket);
        self.collect();
        ticket
    }

    fn pass(&mut self, time: u64) {
        self.now += time;
        self.membership.expire(self.now);
        self.collect();
    }

    fn heartbeat(&mut self, id: &str) -> Result<(), ResponseError> {
        let generation = self.membership.generation;
        self.membership
            .heartbeat(self.now, identity(id), generation)
    }

    fn collect(&mut self) {
        for (ticket, answer) in self.membership.take_answers() {
            let earlier = self.answers.insert(ticket, answer);
            assert!(earlier.is_none(), "a ticket is answered once");
        }
    }

    fn joined(&mut self, ticket: Ticket) -> Joined {
        match self.answers.remove(&ticket) {
            Some(Answer::Joined(Ok(joined))) => joined,
            other => panic!("no member: {other:?}"),
        }
    }

    fn refused(&mut self, ticket: Ticket) -> ResponseError {
        match self.answers.remove(&ticket) {
            Some(Answer::Joined(Err(refused))) => refused.error,
            other => panic!("not refused: {other:?}"),
        }
    }

    fn assignment(&mut self, ticket: Ticket) -> Bytes {
        match self.answers.remove(&ticket) {
            Some(Answer::Synced(Ok(synced))) => synced.assignment,
            other => panic!("no assignment: {other:?}"),
        }
    }

    /// Forms a stable group of dynamic members; the first is the leader.
    fn stable(&mut self, members: usize) -> Vec<Joined> {
        let tickets: Vec<Ticket> = (0..members)
            .map(|_| self.join("", None, &["range"]))
            .collect();
        self.pass(DELAY);
        let mut joined: Vec<Joined> = tickets.iter().map(|ticket| self.joined(*ticket)).collect();
        joined.sort_by_key(|joined| joined.members.is_empty());
        for member in &joined {
            let ticket = self.sync(member, &[(&member.member, "part")]);
            self.assignment(ticket);
        }
        joined
    }
}

fn identity(member: &str) -> Identity<'_> {
    Identity {
        member,
        instance: None,
    }
}

#[test]
fn members_that_join_together_form_one_generation() {
    let mut script = Script::new();
    let first = script.join("", None, &["range", "roundrobin"]);
    script.pass(DELAY - 1);
    let second = script.join("", None, &["roundrobin"]);
    script.pass(DELAY - 1);
    assert!(script.answers.is_empty());
    script.pass(1);
    let (first, second) = (script.joined(first), script.joined(second));
    assert_eq!((first.generation, second.generation), (1, 1));
    assert_eq!(first.leader, second.leader);
    assert_eq!(first.protocol, "roundrobin");
    let leader = if first.leader == first.member {
        &first
    } else {
        &second
    };
    assert_eq!(leader.members.len(), 2);
}

#[test]
fn assignments_of_the_leader_reach_all_members() {
    let mut script = Script::new();
    let tickets = [
        script.join("", None, &["range"]),
        script.join("", None, &["range"]),
    ];
    script.pass(DELAY);
    let joined = tickets.map(|ticket| script.joined(ticket));
    let (leader, follower) = if joined[0].members.is_empty() {
        (&joined[1], &joined[0])
    } else {
        (&joined[0], &joined[1])
    };
    let waiting = script.sync(follower, &[]);
    assert!(script.answers.is_empty());
    let assignments = [
        (leader.member.as_str(), "a"),
        (follower.member.as_str(), "b"),
    ];
    let led = script.sync(leader, &assignments);
    assert_eq!(script.assignment(led), "a");
    assert_eq!(script.assignment(waiting), "b");
    assert_eq!(script.membership.state, State::Stable);
}

#[test]
fn new_member_triggers_a_rebalance() {
    let mut script = Script::new();
    let members = script.stable(1);
    let fresh = script.join("", None, &["range"]);
    assert_eq!(
        script.heartbeat(&members[0].member),
        Err(ResponseError::RebalanceInProgress)
    );
    let again = script.join(&members[0].member, None, &["range"]);
    assert_eq!(script.joined(again).generation, 2);
    assert_eq!(script.joined(fresh).generation, 2);
}

#[test]
fn member_without_heartbeats_is_evicted_and_the_others_rebalance() {
    let mut script = Script::new();
    let members = script.stable(3);
    script.pass(SESSION - 1);
    for member in &members[1..] {
        script.heartbeat(&member.member).unwrap();
    }
    script.pass(1);
    assert_eq!(script.membership.members.len(), 2);
    assert_eq!(
        script.heartbeat(&members[1].member),
        Err(ResponseError::RebalanceInProgress)
    );
    assert_eq!(
        script.heartbeat(&members[0].member),
        Err(ResponseError::UnknownMemberId)
    );
}

#[test]
fn member_that_misses_a_rebalance_is_evicted() {
    let mut script = Script::new();
    let members = script.stable(2);
    let fresh = script.join("", None, &["range"]);
    let again = script.join(&members[0].member, None, &["range"]);
    for _ in 0..4 {
        script.pass(REBALANCE / 4);
        let _heard = script.heartbeat(&members[1].member);
    }
    assert_eq!(script.joined(fresh).generation, 2);
    assert_eq!(script.joined(again).generation, 2);
    assert_eq!(
        script.heartbeat(&members[1].member),
        Err(ResponseError::UnknownMemberId)
    );
}

#[test]
fn group_is_empty_after_the_last_member_leaves() {
    let mut script = Script::new();
    let members = script.stable(2);
    for member in &members {
        let left = script
            .membership
            .leave(script.now, identity(&member.member));
        assert_eq!(left, Ok(()));
    }
    assert!(script.membership.is_empty());
    assert_eq!(
        script.membership.leave(script.now, identity("gone")),
        Err(ResponseError::UnknownMemberId)
    );
}

#[test]
fn restarted_static_member_keeps_its_assignment_without_a_rebalance() {
    let mut script = Script::new();
    let first = script.join("", Some("a"), &["range"]);
    script.pass(DELAY);
    let first = script.joined(first);
    let ticket = script.sync(&first, &[(&first.member, "mine")]);
    script.assignment(ticket);
    let again = script.join("", Some("a"), &["range"]);
    let again = script.joined(again);
    assert_eq!((again.generation, again.skip_assignment), (1, true));
    assert_ne!(again.member, first.member);
    let ticket = script.sync(&again, &[]);
    assert_eq!(script.assignment(ticket), "mine");
    let former = Identity {
        member: &first.member,
        instance: Some("a"),
    };
    assert_eq!(
        script.membership.heartbeat(script.now, former, 1),
        Err(ResponseError::FencedInstanceId)
    );
}

#[test]
fn member_without_common_protocol_is_refused() {
    let mut script = Script::new();
    script.stable(1);
    let stranger = script.join("", None, &["sticky"]);
    assert_eq!(
        script.refused(stranger),
        ResponseError::InconsistentGroupProtocol
    );
}

#[test]
fn unused_member_id_expires() {
    let mut script = Script::new();
    let join = Join {
        profile: Script::profile("", None, &["range"]),
        fresh_id: "fresh".to_owned(),
        protocol_type: "consumer".to_owned(),
        id_required: true,
        can_skip_assignment: true,
    };
    script.membership.join(0, join.clone(), 1);
    script.collect();
    assert_eq!(script.refused(1), ResponseError::MemberIdRequired);
    assert!(!script.membership.is_empty());
    script.pass(SESSION);
    assert!(script.membership.is_empty());
    let late = script.join("fresh", None, &["range"]);
    assert_eq!(script.refused(late), ResponseError::UnknownMemberId);
}

#[test]
fn commit_of_an_old_generation_is_refused() {
    let mut script = Script::new();
    let members = script.stable(1);
    let mut commit = |generation| {
        let identity = identity(&members[0].member);
        script
            .membership
            .check_commit(script.now, identity, generation)
    };
    assert_eq!(commit(1), Ok(()));
    assert_eq!(commit(0), Err(ResponseError::IllegalGeneration));
    assert_eq!(commit(-1), Err(ResponseError::IllegalGeneration));
}

#[test]
fn restored_group_continues_in_its_generation() {
    let mut script = Script::new();
    let members = script.stable(2);
    let snapshot = script.membership.take_snapshot().unwrap();
    assert_eq!(script.membership.take_snapshot(), None);
    script.membership = Membership::restore(snapshot, script.now, DELAY);
    script.heartbeat(&members[0].member).unwrap();
    let ticket = script.sync(&members[1], &[]);
    script.assignment(ticket);
}

#[derive(Debug, Clone)]
enum Step {
    JoinNew,
    JoinAgain(prop::sample::Index),
    SyncAll,
    Heartbeat(prop::sample::Index),
    Leave(prop::sample::Index),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::JoinNew),
        3 => any::<prop::sample::Index>().prop_map(Step::JoinAgain),
        3 => Just(Step::SyncAll),
        2 => any::<prop::sample::Index>().prop_map(Step::Heartbeat),
        1 => any::<prop::sample::Index>().prop_map(Step::Leave),
        2 => (1_u64..SESSION * 2).prop_map(Step::Pass),
    ]
}

#[test]
fn members_that_state_too_much_together_are_refused() {
    let mut script = Script::new();
    let state = |id: &str| {
        let mut profile = Script::profile(id, None, &["range"]);
        profile.protocols[0].metadata = vec![0; 1_000_000].into();
        profile
    };
    let mut refused = 0;
    for number in 0..6 {
        let (id, ticket) = (format!("member-{number}"), script.next_ticket);
        script.next_ticket += 1;
        let join = Join {
            profile: state(""),
            protocol_type: "consumer".to_owned(),
            fresh_id: id,
            id_required: false,
            can_skip_assignment: false,
        };
        script.membership.join(script.now, join, ticket);
        refused += script
            .membership
            .take_answers()
            .iter()
            .filter(|(_, answer)| {
                let error = ResponseError::GroupMaxSizeReached.into();
                *answer == Answer::Joined(Err(error))
            })
            .count();
    }
    assert_eq!(refused, 2);
}

proptest! {
    /// Every request is answered in the end, and a group without requests becomes empty.
    #[test]
    fn every_request_is_answered(steps in proptest::collection::vec(step(), 1..60)) {
        let mut script = Script::new();
        let mut asked = Vec::new();
        let mut known: Vec<Joined> = Vec::new();
        for step in steps {
            match step {
                Step::JoinNew => asked.push(script.join("", None, &["range"])),
                Step::JoinAgain(which) if !known.is_empty() => {
                    let id = which.get(&known).member.clone();
                    asked.push(script.join(&id, None, &["range"]));
                }
                Step::SyncAll => {
                    for joined in known.clone() {
                        asked.push(script.sync(&joined, &[(&joined.member, "x")]));
                    }
                }
                Step::Heartbeat(which) if !known.is_empty() => {
                    let _heard = script.heartbeat(&which.get(&known).member.clone());
                }
                Step::Leave(which) if !known.is_empty() => {
                    let id = which.get(&known).member.clone();
                    let _left = script.membership.leave(script.now, identity(&id));
                    script.collect();
                }
                Step::Pass(time) => script.pass(time),
                Step::JoinAgain(_) | Step::Heartbeat(_) | Step::Leave(_) => {}
            }
            known.extend(script.answers.values().filter_map(|answer| match answer {
                Answer::Joined(Ok(joined)) => Some(joined.clone()),
                _ => None,
            }));
        }
        while let Some(deadline) = script.membership.next_deadline() {
            prop_assert!(deadline > script.now || script.now == 0, "time stands still");
            let wait = deadline.saturating_sub(script.now).max(1);
            script.pass(wait);
        }
        for ticket in asked {
            prop_assert!(script.answers.contains_key(&ticket));
        }
        prop_assert!(script.membership.is_empty());
    }
}
