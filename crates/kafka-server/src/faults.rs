//! Injected faults: a hook is asked at six moments and may make each of them fail.
//!
//! | moment | `Delay` | `Cut` | `Refuse` | `FailWrite` |
//! |---|---|---|---|---|
//! | before a request | yes | nothing done, no response | any error code, if the API has one for all | – |
//! | before an append | yes | nothing appended | any error code | storage error |
//! | after an append | yes | appended, not acknowledged | appended, error reported | – |
//! | before a response | yes | request done, no response | – | – |
//! | on a fetch | yes | yes | any error code | – |
//! | before a commit | – | – | any error code | – |
//!
//! A fault that has no meaning at a moment (–) is ignored. A delay ends early when the client
//! leaves or the server stops; a very long delay is a broker that hangs.

use std::time::Duration;

use convoy_server_kit::FaultHook;
use tokio_util::sync::CancellationToken;

/// The hook of this server: [`FaultHook::fault_for`] gets a [`Moment`] and returns a [`Fault`].
pub type FaultPlan = dyn for<'a> FaultHook<Moment<'a>, Fault>;

/// A moment at which a fault can be injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Moment<'a> {
    /// A request was received and is about to be processed.
    ///
    /// `Refuse` is for `OffsetFetch`, `FindCoordinator`, `JoinGroup`, `Heartbeat`, `LeaveGroup`,
    /// `SyncGroup`, `InitProducerId`, `AddOffsetsToTxn` and `EndTxn`; others have no error code that
    /// stands for the whole request.
    BeforeRequest {
        /// The request's API key, such as 11 for `JoinGroup`.
        api: i16,
    },
    /// A valid batch is about to be appended.
    BeforeAppend {
        /// Name of the topic.
        topic: &'a str,
        /// Index of the partition.
        partition: i32,
    },
    /// A batch was appended and is about to be acknowledged.
    AfterAppend {
        /// Name of the topic.
        topic: &'a str,
        /// Index of the partition.
        partition: i32,
    },
    /// A request was processed and its response is about to be sent.
    BeforeResponse {
        /// The request's API key, such as 0 for Produce.
        api: i16,
    },
    /// A partition is about to be read.
    OnFetch {
        /// Name of the topic.
        topic: &'a str,
        /// Index of the partition.
        partition: i32,
    },
    /// Offsets of a group are about to be committed, outside a transaction.
    BeforeCommit {
        /// Id of the group.
        group: &'a str,
    },
}

/// A fault to inject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Wait this long, then continue.
    Delay(Duration),
    /// Close the connection without a response.
    Cut,
    /// Respond with this error code of the protocol.
    Refuse(i16),
    /// Fail to write, as if the disk were full.
    FailWrite,
}

/// What to do after a delay has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultDecision {
    /// Continue.
    None,
    Cut,
    Refuse(i16),
    FailWrite,
}

/// Asks the hook, and waits if it delays.
pub async fn inject(
    hook: Option<&FaultPlan>,
    moment: Moment<'_>,
    interrupted: &CancellationToken,
) -> FaultDecision {
    match hook.and_then(|hook| hook.fault_for(&moment)) {
        None => FaultDecision::None,
        Some(Fault::Cut) => FaultDecision::Cut,
        Some(Fault::Refuse(code)) => FaultDecision::Refuse(code),
        Some(Fault::FailWrite) => FaultDecision::FailWrite,
        Some(Fault::Delay(delay)) => {
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = interrupted.cancelled() => {}
            }
            FaultDecision::None
        }
    }
}
