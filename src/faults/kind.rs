//! Names of the faults that can be injected.

use crate::string_enum::string_enum;

string_enum! {
    /// Fault of one reading.
    DataKind {
        /// Ten readings of a vehicle in a row are never emitted.
        MissingBatch = "missing-batch",
        /// The reading is sent after the next reading of its vehicle.
        OutOfOrder = "out-of-order",
        /// The reading is sent twice.
        Duplicate = "duplicate",
        /// Every nullable column has no value.
        NaStorm = "na-storm",
        /// One value has a different type than its column.
        WrongType = "wrong-type",
        /// The reading has a column that the dataset does not have.
        ExtraColumn = "extra-column",
        /// One column is missing.
        MissingColumn = "missing-column",
        /// The record header with the envelope is truncated.
        TruncatedHeader = "truncated-header",
        /// The message is larger than brokers accept.
        Oversized = "oversized",
    }
}

string_enum! {
    /// Server or program that a fault is injected into.
    Target {
        /// Kafka broker.
        Broker = "broker",
        /// MongoDB store.
        Store = "store",
        /// Command of an external consumer.
        Consumer = "consumer",
    }
}

string_enum! {
    /// Fault that may happen to each request.
    Chance {
        /// The connection is cut before the batch is appended.
        BrokerCutBeforeAppend = "broker-cut-before-append",
        /// The connection is cut after the batch is appended: the acknowledgement is lost.
        BrokerCutAfterAppend = "broker-cut-after-append",
        /// The connection is cut instead of a fetch response.
        BrokerCutOnFetch = "broker-cut-on-fetch",
        /// A batch is rejected with a retriable error: another broker leads the partition.
        BrokerNotReady = "broker-not-ready",
        /// A batch is rejected because the disk is full.
        BrokerDiskFull = "broker-disk-full",
        /// The connection is cut before anything is written.
        StoreCutBeforeApply = "store-cut-before-apply",
        /// The connection is cut after everything is written: the response is lost.
        StoreCutAfterApply = "store-cut-after-apply",
        /// Everything is written, but the write concern is not met.
        StoreConcernUnmet = "store-concern-unmet",
    }
}

impl Chance {
    /// Returns the server whose requests it affects.
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

    /// Returns whether the fault only cuts the connection, so that a proxy can inject it.
    pub fn cuts(self) -> bool {
        !matches!(
            self,
            Self::BrokerNotReady | Self::BrokerDiskFull | Self::StoreConcernUnmet
        )
    }
}
