//! Which member gets which partition, as Kafka's cooperative sticky assignor decides it.
//!
//! - A member keeps what it owns, unless that leaves another one with at least two partitions less.
//! - A partition that moves is given to nobody in this generation: its owner first gives it up and
//!   then joins again, and the next assignment gives it away.

use std::collections::BTreeMap;

use crate::broker::group::protocol::{Partitions, Subscription};

/// A partition, by the index of its topic.
#[derive(Debug, Clone, Copy)]
struct Slot {
    topic: usize,
    number: i32,
    /// Member that has it, by index, as the subscriptions state.
    owner: Option<usize>,
    /// Member that is to have it.
    target: Option<usize>,
}

/// The members, the partitions, and who has how many of them.
#[derive(Debug)]
struct Balance {
    slots: Vec<Slot>,
    /// Members that want each topic.
    subscribers: Vec<Vec<usize>>,
    /// Partitions of each member.
    counts: Vec<usize>,
}

/// Returns the partitions of each member.
///
/// `counts` has the number of partitions of each topic; other topics have none.
pub fn assign(
    members: &BTreeMap<String, Subscription>,
    counts: &BTreeMap<String, u32>,
) -> BTreeMap<String, Partitions> {
    let subscriptions: Vec<&Subscription> = members.values().collect();
    let topics: Vec<&String> = counts.keys().collect();
    let subscribers = topics
        .iter()
        .map(|topic| {
            let wants = |index: &usize| subscriptions[*index].topics.contains(*topic);
            (0..subscriptions.len()).filter(wants).collect()
        })
        .collect();
    let mut balance = Balance {
        slots: slots(&subscriptions, counts),
        subscribers,
        counts: vec![0; subscriptions.len()],
    };
    balance.keep();
    balance.fill();
    balance.even_out();
    let mut assigned: Vec<Partitions> = vec![Partitions::new(); subscriptions.len()];
    for slot in &balance.slots {
        let free = slot.owner.is_none() || slot.owner == slot.target;
        if let Some(target) = slot.target.filter(|_| free) {
            let topic = topics[slot.topic].clone();
            assigned[target]
                .entry(topic)
                .or_default()
                .insert(slot.number);
        }
    }
    members.keys().cloned().zip(assigned).collect()
}

/// Returns all partitions with their owners. If several members claim one, the one of the latest
/// generation owns it: the others have missed a rebalance.
fn slots(subscriptions: &[&Subscription], counts: &BTreeMap<String, u32>) -> Vec<Slot> {
    let mut owners: BTreeMap<(&str, i32), (i32, usize)> = BTreeMap::new();
    for (index, subscription) in subscriptions.iter().enumerate() {
        let generation = subscription.generation.unwrap_or(-1);
        for (topic, numbers) in &subscription.owned {
            for number in numbers {
                let claim = (generation, index);
                let owner = owners.entry((topic, *number)).or_insert(claim);
                if owner.0 < generation {
                    *owner = claim;
                }
            }
        }
    }
    let mut slots = Vec::new();
    for (topic, (name, count)) in counts.iter().enumerate() {
        for number in 0..count.cast_signed() {
            let owner = owners.get(&(name.as_str(), number));
            slots.push(Slot {
                topic,
                number,
                owner: owner.map(|(_generation, index)| *index),
                target: None,
            });
        }
    }
    slots
}

impl Balance {
    /// Gives each partition to its owner, if the owner still wants it.
    fn keep(&mut self) {
        for slot in &mut self.slots {
            let subscribers = &self.subscribers[slot.topic];
            slot.target = slot.owner.filter(|owner| subscribers.contains(owner));
            if let Some(target) = slot.target {
                self.counts[target] += 1;
            }
        }
    }

    /// Gives each partition without a member to the one with the fewest; first those that few
    /// members want.
    fn fill(&mut self) {
        let without = |index: &usize| self.slots[*index].target.is_none();
        let mut free: Vec<usize> = (0..self.slots.len()).filter(without).collect();
        free.sort_by_key(|index| self.subscribers[self.slots[*index].topic].len());
        for index in free {
            let target = self.least(self.slots[index].topic);
            self.slots[index].target = target;
            if let Some(target) = target {
                self.counts[target] += 1;
            }
        }
    }

    /// Moves partitions to members with at least two less, until there is none such.
    ///
    /// This ends: each move lowers the sum of the squares of the counts.
    fn even_out(&mut self) {
        loop {
            let mut moved = false;
            for index in (0..self.slots.len()).rev() {
                let slot = self.slots[index];
                let (Some(from), Some(to)) = (slot.target, self.least(slot.topic)) else {
                    continue;
                };
                if self.counts[to] + 1 < self.counts[from] {
                    self.slots[index].target = Some(to);
                    self.counts[from] -= 1;
                    self.counts[to] += 1;
                    moved = true;
                }
            }
            if !moved {
                return;
            }
        }
    }

    /// Returns the member with the fewest partitions of those that want a topic.
    fn least(&self, topic: usize) -> Option<usize> {
        let subscribers = self.subscribers[topic].iter().copied();
        subscribers.min_by_key(|member| self.counts[*member])
    }
}
