//! Starts convoy: command line → command → exit status.

use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::path::Path;
use std::process::ExitCode;

use convoy::cli::{self, Environment, Request};
use convoy::command;
use convoy::error::{Error, ExitStatus};
use convoy::terminal::{ProgressMode, Terminal};

/// 10–20 % more records per second on the client side than the system allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    panic::set_hook(Box::new(say_panic));
    let status = panic::catch_unwind(AssertUnwindSafe(convoy)).unwrap_or(ExitStatus::Bug);
    ExitCode::from(status.code())
}

fn convoy() -> ExitStatus {
    let mut terminal = Terminal::new(ProgressMode::Never, false);
    run(&mut terminal).unwrap_or_else(|error| {
        terminal.error(&error, error.hint().as_deref());
        error.exit_status()
    })
}

fn run(terminal: &mut Terminal) -> Result<ExitStatus, Error> {
    let environment = Environment::read(std::env::vars_os(), Path::new("."))?;
    *terminal = Terminal::new(ProgressMode::Never, environment.colored());
    match cli::parse(std::env::args_os(), &environment)? {
        Request::Show(text) => terminal
            .data(|stdout| stdout.write_all(text.as_bytes()))
            .map(|()| ExitStatus::Success)
            .map_err(Error::Stdout),
        Request::Run {
            invocation,
            progress,
        } => {
            *terminal = Terminal::new(progress, environment.colored());
            command::run(&invocation, terminal)
        }
    }
}

/// Says where the bug is; whoever waits for the thread decides how the run ends.
fn say_panic(panic: &PanicHookInfo<'_>) {
    tracing::error!(%panic, "a thread panicked");
    let terminal = Terminal::new(ProgressMode::Never, false);
    terminal.say(format_args!(
        "error: convoy has a bug: {panic}\n\nhint: please report this with the command line and the log of the run"
    ));
}
