//! Settings that several commands share.

use std::path::PathBuf;

use crate::cli::args::{
    DatasetArgs, PublishArgs, ReportArgs, StoreTimeoutArgs, TimeoutArgs, TopicArgs, WriterArgs,
};
use crate::cli::environment::Environment;
use crate::cli::origin::Origins;
use crate::dataset::ReadOptions;
use crate::pipeline::{Timeouts, TopicCreation};
use crate::settings::{PublishSettings, ReportSettings, WriterSettings};

impl From<TimeoutArgs> for Timeouts {
    fn from(args: TimeoutArgs) -> Self {
        Self {
            request: args.request_timeout,
            broker: args.broker_timeout,
            interrupt: args.interrupt_timeout,
        }
    }
}

impl From<PublishArgs> for PublishSettings {
    fn from(args: PublishArgs) -> Self {
        Self {
            linger: args.linger,
            compression: args.compression,
            encoding: args.encoding,
        }
    }
}

impl From<DatasetArgs> for ReadOptions {
    fn from(args: DatasetArgs) -> Self {
        Self {
            delimiter: args.delimiter,
            encoding: args.file_encoding,
            no_header: args.no_header,
            comment: args.comment,
            skip_rows: args.skip_rows,
            skip_repeated_headers: args.skip_repeated_headers,
            skip_units_row: args.skip_units_row,
            on_bad_row: args.on_bad_row,
            null_values: args.null_values,
            decimal_comma: args.decimal_comma,
            rename: args.rename,
            label: args.label,
        }
    }
}

pub(super) fn report(
    args: ReportArgs,
    events: Option<PathBuf>,
    environment: &Environment,
) -> ReportSettings {
    ReportSettings {
        output: args.output,
        format: args.format,
        junit: args.junit,
        events,
        step_summary: environment.step_summary(),
    }
}

pub(super) fn writer(args: WriterArgs, timeouts: &StoreTimeoutArgs) -> WriterSettings {
    WriterSettings {
        batch_records: args.batch_records,
        batch_wait: args.batch_wait,
        database: args.database,
        collection: args.collection,
        store_timeout: timeouts.store_timeout,
        drain_timeout: timeouts.drain_timeout,
    }
}

/// Resolves how topics are created; `replication_factor` is the default.
pub(super) fn creation(
    args: &TopicArgs,
    origins: &Origins,
    replication_factor: i16,
) -> TopicCreation {
    TopicCreation {
        partitions: args.partitions,
        partitions_required: origins.get("partitions").is_some(),
        replication_factor: args.replication_factor.unwrap_or(replication_factor),
    }
}
