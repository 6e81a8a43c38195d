//! How a member of a group goes on after a failed request to the coordinator.

use std::fmt;

use kafka_protocol::error::ResponseError;

use crate::broker::wire::ErrorCode;
use crate::cause::Trouble;

/// What is to be done after a request to a coordinator failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Retry: the coordinator has moved, is loading or does not respond.
    Retry,
    /// Join again, with the owned partitions: the group rebalances.
    Rejoin,
    /// Give up all partitions, then join again: the group goes on without this member.
    Lost,
    /// Nothing: the group does not take this member.
    GiveUp,
}

/// What a request to a coordinator is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupStep {
    /// Find the coordinator.
    Find,
    /// Join.
    Join,
    /// Assign the partitions, as the leader.
    Assign,
    /// Get the assignment.
    Sync,
    /// Send a heartbeat.
    Heartbeat,
    /// Commit offsets.
    Commit,
    /// Read committed offsets.
    Committed,
    /// List the members.
    Describe,
    /// Leave.
    Leave,
}

/// A verb phrase before the word "group".
impl fmt::Display for GroupStep {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Find => "find the coordinator of",
            Self::Join => "join",
            Self::Assign => "assign the partitions of",
            Self::Sync => "get an assignment in",
            Self::Heartbeat => "send a heartbeat to",
            Self::Commit => "commit offsets of",
            Self::Committed => "read the offsets of",
            Self::Describe => "list the members of",
            Self::Leave => "leave",
        })
    }
}

/// Returns what follows an error code, or a failure without one.
pub fn after(code: Option<ErrorCode>, trouble: Option<Trouble>) -> Remedy {
    match code.map(ErrorCode::error) {
        Some(ResponseError::RebalanceInProgress) => Remedy::Rejoin,
        Some(
            ResponseError::UnknownMemberId
            | ResponseError::IllegalGeneration
            | ResponseError::StaleMemberEpoch,
        ) => Remedy::Lost,
        Some(error) if error != ResponseError::UnknownServerError && !error.is_retriable() => {
            Remedy::GiveUp
        }
        _ if trouble == Some(Trouble::Version) => Remedy::GiveUp,
        _ => Remedy::Retry,
    }
}

/// Returns what the user can do about an error code of a coordinator.
pub fn hint(code: Option<ErrorCode>) -> Option<&'static str> {
    Some(match code.map(ErrorCode::error) {
        Some(ResponseError::GroupAuthorizationFailed) => {
            "grant the user Read on this group in the cluster's ACLs, or pass a `--group` that the ACLs allow"
        }
        Some(ResponseError::InvalidSessionTimeout) => {
            "pass a `--session-timeout` between the broker's `group.min.session.timeout.ms` (6s by default) and `group.max.session.timeout.ms` (30m)"
        }
        Some(ResponseError::InconsistentGroupProtocol) => {
            "set `partition.assignment.strategy` of the group's other consumers to the cooperative sticky assignor, or pass another `--group`"
        }
        Some(ResponseError::FencedInstanceId) => {
            "give each process of the group its own `--instance`: another one joined with this name"
        }
        Some(ResponseError::InvalidGroupId) => "pass another `--group`",
        Some(ResponseError::GroupMaxSizeReached) => {
            "stop another member of the group, or raise the broker's `group.max.size`"
        }
        Some(ResponseError::RebalanceInProgress) => {
            "check whether a consumer of this group is stuck: the group waits until it joins again"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_code_of_a_coordinator_has_its_remedy() {
        for (number, remedy) in [
            (-1, Remedy::Retry),
            (7, Remedy::Retry),
            (14, Remedy::Retry),
            (15, Remedy::Retry),
            (16, Remedy::Retry),
            (22, Remedy::Lost),
            (23, Remedy::GiveUp),
            (24, Remedy::GiveUp),
            (25, Remedy::Lost),
            (26, Remedy::GiveUp),
            (27, Remedy::Rejoin),
            (30, Remedy::GiveUp),
            (81, Remedy::GiveUp),
            (82, Remedy::GiveUp),
            (9_999, Remedy::GiveUp),
        ] {
            let code = ErrorCode::check(number).unwrap_err();
            assert_eq!(after(Some(code), code.trouble()), remedy, "{code}");
        }
        assert_eq!(after(None, Some(Trouble::Version)), Remedy::GiveUp);
        for trouble in [None, Some(Trouble::Silent), Some(Trouble::Refused)] {
            assert_eq!(after(None, trouble), Remedy::Retry);
        }
    }

    #[test]
    fn errors_of_a_group_that_a_user_can_mend_have_a_hint() {
        for (number, word) in [
            (23, "partition.assignment.strategy"),
            (24, "--group"),
            (26, "--session-timeout"),
            (30, "ACLs"),
            (81, "group.max.size"),
            (82, "--instance"),
        ] {
            let code = ErrorCode::check(number).unwrap_err();
            assert!(hint(Some(code)).unwrap().contains(word), "{code}");
        }
    }
}
