//! Settings of the commands other than `simulate`, `produce` and `consume`.

use crate::cli::args::{CleanArgs, DatasetCommandArgs, MergeArgs, ReportCommandArgs, UpArgs, up};
use crate::cli::environment::Environment;
use crate::cli::error::Error;
use crate::cli::origin::Origins;
use crate::cli::resolve::groups::report as report_settings;
use crate::cli::resolve::servers::external_store;
use crate::command::Command;
use crate::dataset::SchemaForm;
use crate::settings::{
    Access, CleanSettings, ExportSettings, Format, GenerateSettings, InspectSettings,
    MergeSettings, PageSettings, Published, SchemaSettings, ShowSettings, UpSettings,
};

pub(super) fn report(
    args: ReportCommandArgs,
    origins: &Origins,
    environment: &Environment,
) -> Result<Command, Error> {
    Ok(match args {
        ReportCommandArgs::Merge(args) => {
            Command::MergeReports(Box::new(merge(*args, origins, environment)?))
        }
        ReportCommandArgs::Export { runs, form, name } => {
            Command::ExportReports(ExportSettings { runs, form, name })
        }
        ReportCommandArgs::Html { runs } => Command::WritePages(PageSettings { runs }),
        ReportCommandArgs::Show { report } => Command::ShowReport(ShowSettings { report }),
    })
}

fn merge(
    args: MergeArgs,
    origins: &Origins,
    environment: &Environment,
) -> Result<MergeSettings, Error> {
    let store = args.audit.store.as_deref();
    Ok(MergeSettings {
        reports: args.reports,
        store: store.map(|uri| external_store(uri, origins)).transpose()?,
        database: args.audit.database,
        collection: args.audit.collection,
        dataset: args.audit.dataset,
        read: args.read.into(),
        report: report_settings(args.report, None, environment),
    })
}

pub(super) fn up(args: UpArgs, environment: &Environment) -> Result<Command, Error> {
    let alone = args.command.is_empty();
    let access = if args.anonymous {
        Access::Anyone
    } else {
        Access::User {
            name: args.user,
            password: environment.password()?,
        }
    };
    // Several commands may run at once.
    let port = |given: Option<u16>, usual| given.unwrap_or(if alone { usual } else { 0 });
    Ok(Command::Up(Box::new(UpSettings {
        broker_port: port(args.broker_port, up::BROKER_PORT),
        registry_port: port(args.registry_port, up::REGISTRY_PORT),
        store_port: port(args.store_port, up::STORE_PORT),
        advertised: args.advertise,
        data_dir: args.data_dir,
        repair: args.repair,
        access,
        tls: args.tls,
        partitions: args.partitions,
        auto_create: args.auto_create,
        join_delay: args.join_delay,
        topics: args.content.topic,
        load: args.content.load,
        published: Published {
            env_file: args.output.write_env,
            ready_file: args.output.ready_file,
            force: args.output.force,
        },
        command: args.command,
        timeout: args.output.timeout,
        exit_with_parent: args.output.exit_with_parent,
        replica_set: args.replica_set,
    })))
}

pub(super) fn clean(args: &CleanArgs) -> Command {
    Command::Clean(CleanSettings {
        dry_run: args.dry_run,
    })
}

pub(super) fn dataset(args: DatasetCommandArgs) -> Command {
    match args {
        DatasetCommandArgs::Inspect {
            path,
            format,
            json,
            read,
        } => Command::InspectDataset(Box::new(InspectSettings {
            path,
            read: (*read).into(),
            format: if json { Format::Json } else { format },
        })),
        DatasetCommandArgs::Schema {
            path,
            read,
            all_strings,
        } => {
            let form = if all_strings {
                SchemaForm::AllStrings
            } else {
                SchemaForm::Typed
            };
            Command::DatasetSchema(Box::new(SchemaSettings {
                path,
                read: (*read).into(),
                form,
            }))
        }
        DatasetCommandArgs::Generate { rows, seed, output } => {
            Command::GenerateDataset(GenerateSettings { rows, seed, output })
        }
    }
}
