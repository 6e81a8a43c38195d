//! Settings of the command that was typed.

use crate::cli::args::{CommandArgs, OutputArgs};
use crate::cli::environment::Environment;
use crate::cli::error::Error;
use crate::cli::help;
use crate::cli::origin::Origins;
use crate::cli::resolve::{capacity, commands, processes, simulate};
use crate::command::Command;
use crate::settings::ManualSettings;
use crate::terminal::Ui;
use crate::web::WebAddress;

/// A command with its settings, or text for stdout.
pub enum Resolved {
    Run(Command, View),
    Show(String),
}

/// How a command shows what it does.
pub struct View {
    pub ui: Ui,
    pub web: Option<WebAddress>,
}

impl View {
    pub fn of(args: &mut OutputArgs) -> Self {
        Self {
            ui: args.ui,
            web: args.web.take(),
        }
    }
}

/// Resolves the options of any command.
pub fn command(
    args: CommandArgs,
    origins: &Origins,
    environment: &Environment,
) -> Result<Resolved, Error> {
    let mut view = View {
        ui: Ui::Plain,
        web: None,
    };
    let command = match args {
        CommandArgs::Simulate(mut args) => {
            view = View::of(&mut args.output);
            Command::Simulate(Box::new(simulate::settings(*args, origins, environment)?))
        }
        CommandArgs::Produce(mut args) => {
            view = View::of(&mut args.output);
            Command::Produce(Box::new(processes::produce(*args, origins, environment)?))
        }
        CommandArgs::Consume(mut args) => {
            view = View::of(&mut args.output);
            Command::Consume(Box::new(processes::consume(*args, origins, environment)?))
        }
        CommandArgs::Capacity(mut args) => {
            view = View::of(&mut args.simulate.output);
            let settings = capacity::settings(*args, origins, environment)?;
            Command::Capacity(Box::new(settings))
        }
        CommandArgs::Sweep(_) => unreachable!("it is resolved with its arguments"),
        CommandArgs::Report(args) => commands::report(args, origins, environment)?,
        CommandArgs::Up(mut args) => {
            view.ui = Ui::Auto;
            view.web = args.output.web.take();
            commands::up(*args, environment)?
        }
        CommandArgs::Dataset(args) => commands::dataset(args),
        CommandArgs::Doctor(args) => Command::Doctor(Box::new(simulate::settings(
            args.simulate,
            origins,
            environment,
        )?)),
        CommandArgs::Clean(args) => commands::clean(&args),
        CommandArgs::Completions { shell } => return Ok(Resolved::Show(help::completions(shell))),
        CommandArgs::Man { dir: None } => {
            let page = help::manual_page().map_err(Error::ManualPage)?;
            return Ok(Resolved::Show(page));
        }
        CommandArgs::Man {
            dir: Some(directory),
        } => Command::WriteManual(ManualSettings {
            directory,
            pages: help::manual_pages().map_err(Error::ManualPage)?,
        }),
    };
    Ok(Resolved::Run(command, view))
}
