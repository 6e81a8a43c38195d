//! Goal: subscriptions and assignments are those of Kafka's clients; partitions are shared evenly,
//! move rarely, and are never given away before their owner has given them up.
//! Method: property tests. A model of a group plays whole rebalances: every member joins with what it
//! has, gives up what it no longer gets, and takes what is new.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use crate::broker::group::assignment::assign;
use crate::broker::group::protocol::{
    Partitions, Subscription, decode_assignment, encode_assignment,
};

/// Partitions of the topics `a`, `b`, …
type Counts = BTreeMap<String, u32>;

fn topic(index: usize) -> String {
    ["a", "b", "c"][index].to_owned()
}

fn partitions() -> impl Strategy<Value = Partitions> {
    let numbers = prop::collection::btree_set(0..9_i32, 0..6);
    prop::collection::btree_map((0..3_usize).prop_map(topic), numbers, 0..3)
}

fn topics() -> impl Strategy<Value = BTreeSet<String>> {
    prop::collection::btree_set((0..3_usize).prop_map(topic), 1..4)
}

fn subscription() -> impl Strategy<Value = Subscription> {
    let generation = prop::option::of(0..4_i32);
    (topics(), partitions(), generation).prop_map(|(topics, owned, generation)| Subscription {
        topics,
        owned,
        generation,
    })
}

fn counts() -> impl Strategy<Value = Counts> {
    prop::collection::btree_map((0..3_usize).prop_map(topic), 0..12_u32, 1..4)
}

fn flat(partitions: &Partitions) -> BTreeSet<(&str, i32)> {
    let all = partitions.iter().flat_map(|(topic, numbers)| {
        let of_topic = |number: &i32| (topic.as_str(), *number);
        numbers.iter().map(of_topic)
    });
    all.collect()
}

/// Checks that no partition is given twice, and each only to a member that wants its topic.
fn check_assignment(
    members: &BTreeMap<String, Subscription>,
    counts: &Counts,
    assigned: &BTreeMap<String, Partitions>,
) {
    assert!(members.keys().eq(assigned.keys()));
    let mut given = BTreeSet::new();
    for (member, partitions) in assigned {
        for (topic, number) in flat(partitions) {
            assert!(given.insert((topic, number)), "{topic}/{number} twice");
            assert!(members[member].topics.contains(topic));
            assert!((0..counts[topic].cast_signed()).contains(&number));
        }
    }
}

/// A group that rebalances until nothing moves.
#[derive(Debug, Default)]
struct Group {
    members: BTreeMap<String, Subscription>,
    generation: i32,
}

impl Group {
    /// Rebalances once. Returns whether a member gave up a partition, so that it joins again.
    fn rebalance(&mut self, counts: &Counts) -> bool {
        self.generation += 1;
        let assigned = assign(&self.members, counts);
        check_assignment(&self.members, counts, &assigned);
        let mut revoked = false;
        for (member, partitions) in &assigned {
            for (topic, number) in flat(partitions) {
                let had = |(other, subscription): (&String, &Subscription)| {
                    other != member && flat(&subscription.owned).contains(&(topic, number))
                };
                assert!(
                    !self.members.iter().any(had),
                    "{topic}/{number} is not revoked"
                );
            }
        }
        for (member, partitions) in assigned {
            let subscription = self.members.get_mut(&member).unwrap();
            revoked |= !flat(&subscription.owned).is_subset(&flat(&partitions));
            subscription.owned = partitions;
            subscription.generation = Some(self.generation);
        }
        revoked
    }

    fn settle(&mut self, counts: &Counts) {
        for _round in 0..3 {
            if !self.rebalance(counts) {
                return;
            }
        }
        panic!("partitions still move after three rebalances");
    }

    fn check_balance(&self, counts: &Counts) {
        let owned = |member: &Subscription| flat(&member.owned).len();
        let mut all = BTreeSet::new();
        for member in self.members.values() {
            all.extend(flat(&member.owned));
            for (topic, number) in flat(&member.owned) {
                let less = |other: &&Subscription| {
                    other.topics.contains(topic) && owned(other) + 1 < owned(member)
                };
                let less = self.members.values().find(less);
                assert!(less.is_none(), "{topic}/{number} belongs to {less:?}");
            }
        }
        for (topic, count) in counts {
            if self.members.values().any(|it| it.topics.contains(topic)) {
                for number in 0..count.cast_signed() {
                    assert!(all.contains(&(topic.as_str(), number)), "{topic}/{number}");
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn decoded_subscription_is_the_encoded_one(subscription in subscription()) {
        prop_assert_eq!(Subscription::decode(&subscription.encode()), Ok(subscription));
    }

    #[test]
    fn decoded_assignment_is_the_encoded_one(assigned in partitions()) {
        prop_assert_eq!(decode_assignment(&encode_assignment(&assigned)), Ok(assigned));
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _subscription = Subscription::decode(&bytes);
        let _assignment = decode_assignment(&bytes);
    }

    #[test]
    fn any_claims_give_each_partition_to_at_most_one_member(
        members in prop::collection::btree_map("[m-p]", subscription(), 0..4),
        counts in counts(),
    ) {
        check_assignment(&members, &counts, &assign(&members, &counts));
    }

    #[test]
    fn group_is_balanced_and_stays_so_while_members_come_and_go(
        changes in prop::collection::vec(("[m-r]", prop::option::of(topics())), 1..12),
        counts in counts(),
    ) {
        let mut group = Group::default();
        for (member, topics) in changes {
            match topics {
                Some(topics) => {
                    group.members.entry(member).or_default().topics = topics;
                }
                None => drop(group.members.remove(&member)),
            }
            group.settle(&counts);
            group.check_balance(&counts);
            let before = group.members.clone();
            prop_assert!(!group.rebalance(&counts), "partitions move without need");
            let owned = |members: &BTreeMap<String, Subscription>| -> Vec<Partitions> {
                members.values().map(|it| it.owned.clone()).collect()
            };
            prop_assert_eq!(owned(&before), owned(&group.members));
        }
    }

    #[test]
    fn new_member_takes_no_more_than_its_share(present in 1..6_usize, partitions in 0..40_u32) {
        let counts = BTreeMap::from([(topic(0), partitions)]);
        let mut group = Group::default();
        let member = Subscription {
            topics: BTreeSet::from([topic(0)]),
            ..Subscription::default()
        };
        for index in 0..present {
            group.members.insert(format!("m{index}"), member.clone());
        }
        group.settle(&counts);
        let before = group.members.clone();
        group.members.insert("n".to_owned(), member);
        group.settle(&counts);
        let moved = |(name, subscription): (&String, &Subscription)| {
            let now = flat(&group.members[name].owned);
            flat(&subscription.owned).difference(&now).count()
        };
        let moved: usize = before.iter().map(moved).sum();
        prop_assert_eq!(moved, flat(&group.members["n"].owned).len());
    }
}

/// Bytes of a subscription as clients write them.
fn written(version: i16, user_data: &[u8], rest: &[&[u8]]) -> Vec<u8> {
    let mut bytes = version.to_be_bytes().to_vec();
    bytes.extend([0, 0, 0, 1, 0, 1, b'a']);
    bytes.extend(i32::try_from(user_data.len()).unwrap().to_be_bytes());
    bytes.extend(user_data);
    for part in rest {
        bytes.extend(*part);
    }
    bytes
}

#[test]
fn subscriptions_of_each_version_are_read() {
    let owned: &[u8] = &[0, 0, 0, 1, 0, 1, b'a', 0, 0, 0, 1, 0, 0, 0, 7];
    let generation: &[u8] = &[0, 0, 0, 5];
    let rack: &[u8] = &[0, 1, b'r'];
    let seven = BTreeMap::from([(topic(0), BTreeSet::from([7]))]);
    for (bytes, owned, generation) in [
        (written(0, &[], &[]), Partitions::new(), None),
        (written(1, &[], &[owned]), seven.clone(), None),
        // The cooperative assignor of Java's client before version 2.
        (written(1, generation, &[owned]), seven.clone(), Some(5)),
        (
            written(2, &[], &[owned, generation]),
            seven.clone(),
            Some(5),
        ),
        (
            written(3, &[1], &[owned, generation, rack]),
            seven.clone(),
            Some(5),
        ),
        (
            written(9, &[], &[owned, generation, rack, &[1, 2]]),
            seven,
            Some(5),
        ),
    ] {
        let expected = Subscription {
            topics: BTreeSet::from([topic(0)]),
            owned,
            generation,
        };
        assert_eq!(Subscription::decode(&bytes), Ok(expected));
    }
}

#[test]
fn partition_claimed_twice_belongs_to_the_later_generation() {
    let member = |generation| Subscription {
        topics: BTreeSet::from([topic(0)]),
        owned: BTreeMap::from([(topic(0), BTreeSet::from([0]))]),
        generation: Some(generation),
    };
    let members = BTreeMap::from([("m".to_owned(), member(3)), ("n".to_owned(), member(4))]);
    let assigned = assign(&members, &BTreeMap::from([(topic(0), 1)]));
    assert!(assigned["m"].is_empty());
    assert_eq!(assigned["n"], members["n"].owned);
}
