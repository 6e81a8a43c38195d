//! Settings of the consumer of `convoy simulate`.

use crate::cli::args::SimulateArgs;
use crate::cli::error::Error;
use crate::cli::origin::{Origin, Origins};
use crate::faults::{DataKind, Plan, Target};
use crate::settings::{ConsumerKind, ConsumerSettings, Published, Sink};

/// Options that only an external consumer has.
const EXTERNAL_ONLY: [&str; 4] = ["consumer-command", "settle", "write-env", "ready-file"];

/// Options that only convoy's consumer has.
const CONVOY_ONLY: [&str; 4] = ["consumers", "batch-records", "batch-wait", "drain-timeout"];

/// Faults of readings whose outcome does not depend on what a consumer rejects.
const DATA_FAULTS: [DataKind; 2] = [DataKind::MissingBatch, DataKind::Duplicate];

/// Keeps the faults of a drawn plan that a run with this consumer can have.
pub(super) fn fitting(mut plan: Plan, consumer: &ConsumerSettings) -> Plan {
    if consumer.is_external() {
        plan.data.retain(|(kind, _)| DATA_FAULTS.contains(kind));
    }
    plan
}

/// Rejects faults that the consumer of the run cannot have.
pub(super) fn check_faults(plan: &Plan, consumer: &ConsumerSettings) -> Result<(), Error> {
    let external = consumer.is_external();
    let mut data = plan.data.iter().map(|(kind, _)| *kind);
    if let Some(kind) = data.find(|kind| external && !DATA_FAULTS.contains(kind)) {
        return Err(Error::FaultOfConsumer {
            fault: kind.to_string(),
            because: "what an external consumer does with such readings is not known",
        });
    }
    if consumer.payload_identity
        && !external
        && plan.data.iter().any(|(kind, _)| *kind == DataKind::NaStorm)
    {
        return Err(Error::FaultOfConsumer {
            fault: DataKind::NaStorm.to_string(),
            because: "the audit does not know such payloads with `--payload-identity`",
        });
    }
    let mut scheduled = plan.scheduled.iter();
    let of_command = scheduled.find(|it| it.target() == Target::Consumer);
    match of_command {
        Some(fault) if !external || consumer.command.is_none() => Err(Error::FaultOfConsumer {
            fault: fault.name(),
            because: "it needs `--consumer external` with `--consumer-command`",
        }),
        _ => Ok(()),
    }
}

/// Returns the consumer, whose options fit its kind.
pub(super) fn consumer(args: &SimulateArgs, origins: &Origins) -> Result<ConsumerSettings, Error> {
    let chosen = &args.consumer;
    let external = chosen.consumer == ConsumerKind::External;
    if external && args.pipeline.sink == Sink::Null {
        return Err(Error::Unfitting {
            option: "consumer external",
            because: "`--sink null` sends nothing",
        });
    }
    let of_other_kind = if external { CONVOY_ONLY } else { EXTERNAL_ONLY };
    let set = of_other_kind
        .into_iter()
        .find(|it| origins.get(it) == Some(&Origin::Flag));
    if let Some(option) = set {
        return Err(Error::Unfitting {
            option,
            because: if external {
                "it is an option of convoy's own consumer"
            } else {
                "it needs `--consumer external`"
            },
        });
    }
    if external && chosen.payload_identity == Some(false) {
        return Err(Error::Unfitting {
            option: "payload-identity=false",
            because: "the audit of an external consumer needs the identity of each reading",
        });
    }
    Ok(ConsumerSettings {
        consumer: chosen.consumer,
        command: chosen.consumer_command.clone(),
        settle: chosen.settle,
        payload_identity: chosen.payload_identity.unwrap_or(external),
        published: Published {
            env_file: chosen.write_env.clone(),
            ready_file: chosen.ready_file.clone(),
            force: chosen.force,
        },
    })
}
