//! Offsets that are committed with a transaction.

use kafka_protocol::error::ResponseError;

use crate::group::coordinator::Coordinator;
use crate::group::journal::Entry;
use crate::group::membership::Identity;
use crate::group::offsets::Offsets;

impl Coordinator {
    /// Checks that a member may add its offsets to a transaction.
    pub fn check_transactional(
        &self,
        group: &str,
        identity: Identity<'_>,
        generation: i32,
    ) -> Result<(), ResponseError> {
        let now = self.clock.now();
        let checked = self.lock().update(group, |group| {
            let membership = &mut group.membership;
            membership.check_transactional_commit(now, identity, generation)
        });
        match checked {
            Some(checked) => checked,
            None if generation < 0 => Ok(()),
            None => Err(ResponseError::IllegalGeneration),
        }
    }

    /// Commits the offsets of a transaction.
    pub fn commit_transactional(
        &self,
        group_id: &str,
        offsets: &Offsets,
    ) -> Result<(), ResponseError> {
        if offsets.is_empty() {
            return Ok(());
        }
        let mut groups = self.lock();
        groups.create(group_id, self.join_delay)?;
        let mut entries = Vec::new();
        for (topic, partitions) in offsets.iter() {
            entries.extend(
                partitions
                    .iter()
                    .map(|(partition, committed)| Entry::Committed {
                        group: group_id.to_owned(),
                        topic: topic.to_owned(),
                        partition: *partition,
                        committed: committed.clone(),
                    }),
            );
        }
        groups.write(&entries)?;
        if let Some(group) = groups.by_id.get_mut(group_id) {
            for (topic, partitions) in offsets.iter() {
                for (partition, committed) in partitions {
                    group.offsets.commit(topic, *partition, committed.clone());
                }
            }
        }
        groups.rewrite_if_due();
        Ok(())
    }
}
