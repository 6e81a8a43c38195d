//! What can go wrong, by name.

use crate::string_enum::string_enum;

string_enum! {
    /// What is done to a reading before it is sent.
    DataKind {
        /// Ten readings of a vehicle in a row are never emitted.
        MissingBatch = "missing-batch",
        /// It is sent after the next reading of its vehicle.
        OutOfOrder = "out-of-order",
        /// It is sent twice.
        Duplicate = "duplicate",
        /// Every column that may miss its value does.
        NaStorm = "na-storm",
        /// One value is of another type than its column.
        WrongType = "wrong-type",
        /// It has a column that the dataset does not have.
        ExtraColumn = "extra-column",
        /// It lacks a column.
        MissingColumn = "missing-column",
        /// The header with its envelope is cut off.
        TruncatedHeader = "truncated-header",
        /// It is larger than brokers take.
        Oversized = "oversized",
    }
}

string_enum! {
    /// A server that something happens to.
    Target {
        /// The broker.
        Broker = "broker",
        /// The store.
        Store = "store",
    }
}

string_enum! {
    /// What may happen to each request.
    Chance {
        /// The connection is cut, and nothing was appended.
        BrokerCutBeforeAppend = "broker-cut-before-append",
        /// The connection is cut when the batch was appended, so that its ack is lost.
        BrokerCutAfterAppend = "broker-cut-after-append",
        /// The connection is cut instead of answering a fetch.
        BrokerCutOnFetch = "broker-cut-on-fetch",
        /// A batch is turned down for the moment: another broker leads the partition.
        BrokerNotReady = "broker-not-ready",
        /// A batch is turned down because the disk is full.
        BrokerDiskFull = "broker-disk-full",
        /// The connection is cut, and nothing was written.
        StoreCutBeforeApply = "store-cut-before-apply",
        /// The connection is cut when everything was written, so that the answer is lost.
        StoreCutAfterApply = "store-cut-after-apply",
        /// Everything is written, yet not as durably as asked.
        StoreConcernUnmet = "store-concern-unmet",
    }
}

impl Chance {
    /// Returns the server that it happens at.
    pub fn target(self) -> Target {
        match self {
            Self::BrokerCutBeforeAppend
            | Self::BrokerCutAfterAppend
            | Self::BrokerCutOnFetch
            | Self::BrokerNotReady
            | Self::BrokerDiskFull => Target::Broker,
            Self::StoreCutBeforeApply | Self::StoreCutAfterApply | Self::StoreConcernUnmet => {
                Target::Store
            }
        }
    }

    /// Returns whether a cut connection is all there is to it, so that anything between client and
    /// server can do it.
    pub fn cuts(self) -> bool {
        !matches!(
            self,
            Self::BrokerNotReady | Self::BrokerDiskFull | Self::StoreConcernUnmet
        )
    }
}
