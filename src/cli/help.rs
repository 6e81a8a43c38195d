//! Help, manual pages and completion scripts.
//!
//! `-h` lists the common options on one screen. `--help` lists all, with their variables.

use std::ffi::OsString;
use std::io;

use clap::{Arg, Command, CommandFactory};
use clap_complete::Shell;

use crate::cli::args::{CliArgs, OWN_OPTIONS_OF_AB};
use crate::cli::environment::variables_of;

/// Returns the help or the version that the arguments ask for.
pub(super) fn requested(arguments: &[OsString]) -> String {
    let command = if arguments.iter().any(|argument| argument == "-h") {
        CliArgs::command().mut_subcommand("ab", without_common)
    } else {
        with_variables(CliArgs::command())
    };
    let shown = command.try_get_matches_from(arguments);
    shown.map_or_else(|text| text.to_string(), |_matches| String::new())
}

/// Hides what `ab` has in common with `simulate`, whose help shows it.
fn without_common(command: Command) -> Command {
    command.mut_args(|arg| {
        let own = arg
            .get_long()
            .is_some_and(|it| OWN_OPTIONS_OF_AB.contains(&it));
        arg.hide_short_help(!own)
    })
}

/// Returns a completion script.
pub(super) fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut CliArgs::command(), "convoy", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Returns the manual page of `convoy` itself.
pub(super) fn manual_page() -> io::Result<String> {
    let mut page = Vec::new();
    clap_mangen::Man::new(complete(CliArgs::command())).render(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// Returns the manual pages of all commands, by file name.
pub(super) fn manual_pages() -> io::Result<Vec<(String, String)>> {
    let mut command = complete(CliArgs::command()).disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    add_pages(&command, &mut pages)?;
    Ok(pages)
}

fn add_pages(command: &Command, pages: &mut Vec<(String, String)>) -> io::Result<()> {
    let man = clap_mangen::Man::new(command.clone());
    let mut page = Vec::new();
    man.render(&mut page)?;
    pages.push((
        man.get_filename(),
        String::from_utf8_lossy(&page).into_owned(),
    ));
    for subcommand in command.get_subcommands() {
        add_pages(subcommand, pages)?;
    }
    Ok(())
}

/// Shows the variable and the help of each option: manual pages leave out the help of options that
/// `-h` hides.
fn complete(command: Command) -> Command {
    with_variables(command)
        .mut_args(|arg| arg.hide_short_help(false))
        .mut_subcommands(complete)
}

/// Shows the variable of each option. clap does not read it: see [`crate::cli::sources`].
fn with_variables(command: Command) -> Command {
    command
        .mut_args(with_variable)
        .mut_subcommands(with_variables)
}

fn with_variable(arg: Arg) -> Arg {
    match arg.get_long() {
        Some(option) if !arg.is_hide_env_set() => {
            let names = variables_of(option).join(" or ");
            arg.env(names).hide_env_values(true)
        }
        _ => arg,
    }
}
