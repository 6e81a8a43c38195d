//! The seam for faults: a plan that is asked at four moments and may make each go wrong.
//!
//! Off (no plan in the settings) it costs a branch. The plan decides, the broker obeys:
//!
//! | moment | delay | cut | refuse | fail write |
//! |---|---|---|---|---|
//! | before append | yes | nothing was appended | with any code | as a full disk |
//! | after append | yes | appended, never acknowledged | appended, yet refused | – |
//! | before a response | yes | everything done, never told | – | – |
//! | on fetch | yes | yes | with any code | – |
//!
//! What makes no sense at a moment (–) does nothing. A delay ends early when the client leaves or
//! the broker stops; a very long one is a broker that hangs.

use std::fmt;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::settings::Settings;

/// When a fault may strike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment<'a> {
    /// A sound batch is about to be appended.
    BeforeAppend {
        /// Name of the topic.
        topic: &'a str,
        /// Which partition.
        partition: i32,
    },
    /// A batch was appended and is about to be acknowledged.
    AfterAppend {
        /// Name of the topic.
        topic: &'a str,
        /// Which partition.
        partition: i32,
    },
    /// A request was done and its response is about to be sent.
    BeforeResponse {
        /// The protocol's number of the request.
        api: i16,
    },
    /// A partition is about to be read.
    OnFetch {
        /// Name of the topic.
        topic: &'a str,
        /// Which partition.
        partition: i32,
    },
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It takes so much longer.
    Delay(Duration),
    /// The connection is closed without a word.
    Cut,
    /// The client is told an error by the protocol's number.
    Refuse(i16),
    /// The disk takes no more.
    FailWrite,
}

/// Decides what goes wrong. Asked from many tasks at once, it must answer quickly.
pub trait Faults: fmt::Debug + Send + Sync {
    /// Returns what goes wrong at a moment, `None` if nothing does.
    fn strike(&self, moment: Moment<'_>) -> Option<Fault>;
}

/// What is left of a fault after its delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Struck {
    /// Nothing: go on.
    Spared,
    /// Close the connection.
    Cut,
    /// Refuse with a code.
    Refuse(i16),
    /// Fail as a full disk does.
    FailWrite,
}

/// Asks the plan, and waits where it delays.
pub async fn strike(
    settings: &Settings,
    moment: Moment<'_>,
    interrupted: &CancellationToken,
) -> Struck {
    let Some(faults) = &settings.faults else {
        return Struck::Spared;
    };
    match faults.strike(moment) {
        None => Struck::Spared,
        Some(Fault::Cut) => Struck::Cut,
        Some(Fault::Refuse(code)) => Struck::Refuse(code),
        Some(Fault::FailWrite) => Struck::FailWrite,
        Some(Fault::Delay(delay)) => {
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = interrupted.cancelled() => {}
            }
            Struck::Spared
        }
    }
}
