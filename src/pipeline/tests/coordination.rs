//! A coordinator that refuses requests: each error code has its way on, or ends the process with a hint.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::ApiKey;

use crate::broker::Isolation;
use crate::pipeline::tests::foreign_logs::{Site, log_of, numbers};
use crate::pipeline::tests::processes::member;
use crate::pipeline::tests::*;

const REQUESTS: [ApiKey; 6] = [
    ApiKey::FindCoordinator,
    ApiKey::JoinGroup,
    ApiKey::SyncGroup,
    ApiKey::Heartbeat,
    ApiKey::OffsetFetch,
    ApiKey::OffsetCommit,
];

async fn refusing(key: ApiKey, error: ResponseError) -> Site {
    let site = Site::open(log_of(&numbers(0..5))).await;
    site.broker.log().group.refuse.push_back((key, error));
    site
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn member_goes_on_after_errors_of_its_coordinator() {
    let check = async |key, error| {
        let site = refusing(key, error).await;
        site.consume_all(&member("one", "group")).await;
        assert_eq!(site.stored().await, [0, 1, 2, 3, 4], "{key:?} {error:?}");
        let group = &site.broker.log().group;
        assert!(group.refuse.is_empty(), "{key:?} {error:?}");
        assert_eq!(group.committed[&0].0, 5, "{key:?} {error:?}");
    };
    for key in REQUESTS {
        let errors: &[ResponseError] = match key {
            ApiKey::FindCoordinator => &[ResponseError::CoordinatorNotAvailable],
            ApiKey::JoinGroup => &[
                ResponseError::NotCoordinator,
                ResponseError::UnknownMemberId,
                ResponseError::MemberIdRequired,
            ],
            // The offset of a lost membership is not committed; the checkpoint has it.
            ApiKey::OffsetCommit => &[
                ResponseError::NotCoordinator,
                ResponseError::RebalanceInProgress,
            ],
            _ => &[
                ResponseError::NotCoordinator,
                ResponseError::CoordinatorLoadInProgress,
                ResponseError::RebalanceInProgress,
                ResponseError::IllegalGeneration,
                ResponseError::UnknownMemberId,
            ],
        };
        for error in errors {
            check(key, *error).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_member_ends_and_names_group_and_right() {
    for (key, error, text, hint) in [
        (
            ApiKey::FindCoordinator,
            ResponseError::GroupAuthorizationFailed,
            "failed to find the coordinator of group `group`",
            "ACLs",
        ),
        (
            ApiKey::JoinGroup,
            ResponseError::InconsistentGroupProtocol,
            "failed to join group `group`",
            "assignor",
        ),
        (
            ApiKey::JoinGroup,
            ResponseError::InvalidSessionTimeout,
            "failed to join group `group`",
            "--session-timeout",
        ),
        (
            ApiKey::Heartbeat,
            ResponseError::FencedInstanceId,
            "failed to send a heartbeat to group `group`",
            "--instance",
        ),
        (
            ApiKey::OffsetCommit,
            ResponseError::GroupAuthorizationFailed,
            "failed to commit offsets of group `group`",
            "ACLs",
        ),
    ] {
        let site = refusing(key, error).await;
        let member = member("one", "group");
        let (isolation, length) = (Isolation::ReadCommitted, Length::default());
        let consumed = site.consumed(&member, isolation, length).await;
        let failure = consumed.session.failure.unwrap();
        let chain = crate::cause::chain(&failure);
        assert!(chain.contains(text), "{chain}");
        assert!(failure.hint().unwrap().contains(hint), "{failure:?}");
    }
}
