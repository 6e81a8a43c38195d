//! How a produce request ended, by the broker's error code.

use kafka_protocol::error::ResponseError;

use crate::broker::wire;
use crate::cause::Cause;

/// How a produce request ended.
#[derive(Debug)]
pub enum ProduceOutcome {
    /// Every record is in the log.
    Acked {
        /// Offset of the batch's first record.
        base_offset: i64,
    },
    /// Nothing was appended. A retry may succeed.
    Rejected(Cause),
    /// Nothing was appended: the batch exceeds the broker's limit.
    TooLarge(Cause),
    /// Nothing was appended. A retry cannot succeed.
    Refused(Cause),
    /// The batch may have been appended or not.
    Unknown(Cause),
}

impl ProduceOutcome {
    /// Returns the outcome of a request that was sent and not acknowledged.
    pub(super) fn of_failure(error: wire::Error) -> Self {
        let code = error.code();
        let cause = error.into_cause();
        match code.map(wire::ErrorCode::error) {
            // No response, or one that does not say whether the batch was appended.
            None
            | Some(ResponseError::RequestTimedOut | ResponseError::NotEnoughReplicasAfterAppend) => {
                Self::Unknown(cause)
            }
            Some(ResponseError::MessageTooLarge | ResponseError::RecordListTooLarge) => {
                Self::TooLarge(cause)
            }
            Some(
                ResponseError::UnknownTopicOrPartition
                | ResponseError::LeaderNotAvailable
                | ResponseError::NotLeaderOrFollower
                | ResponseError::NotEnoughReplicas
                | ResponseError::KafkaStorageError
                | ResponseError::CorruptMessage
                | ResponseError::NetworkException
                | ResponseError::ThrottlingQuotaExceeded,
            ) => Self::Rejected(cause),
            Some(_) => Self::Refused(cause),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(error: ResponseError) -> ProduceOutcome {
        ProduceOutcome::of_failure(wire::Error::refused("h:1", error.into(), None))
    }

    #[test]
    fn each_code_says_whether_the_batch_was_appended_and_a_retry_may_succeed() {
        for error in [
            ResponseError::RequestTimedOut,
            ResponseError::NotEnoughReplicasAfterAppend,
        ] {
            let outcome = outcome(error);
            assert!(matches!(outcome, ProduceOutcome::Unknown(_)), "{error}");
        }
        for error in [
            ResponseError::NotLeaderOrFollower,
            ResponseError::NotEnoughReplicas,
            ResponseError::UnknownTopicOrPartition,
            ResponseError::ThrottlingQuotaExceeded,
        ] {
            let outcome = outcome(error);
            assert!(matches!(outcome, ProduceOutcome::Rejected(_)), "{error}");
        }
        for error in [
            ResponseError::MessageTooLarge,
            ResponseError::RecordListTooLarge,
        ] {
            let outcome = outcome(error);
            assert!(matches!(outcome, ProduceOutcome::TooLarge(_)), "{error}");
        }
        for error in [
            ResponseError::TopicAuthorizationFailed,
            ResponseError::InvalidRecord,
            ResponseError::InvalidTimestamp,
            ResponseError::UnsupportedCompressionType,
            ResponseError::UnknownServerError,
        ] {
            let outcome = outcome(error);
            assert!(matches!(outcome, ProduceOutcome::Refused(_)), "{error}");
        }
    }
}
