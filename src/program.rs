//! The program: command line → command → exit status.

use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::path::Path;
use std::process::ExitCode;

use crate::cli::{self, Environment, Request};
use crate::command::{self, Command};
use crate::error::ExitStatus;
use crate::host::backend;
use crate::settings::Invocation;
use crate::terminal::{Colors, ProgressMode, Terminal};
use crate::text::Page;

/// Runs convoy with the arguments and the environment of the process.
pub fn main() -> ExitCode {
    panic::set_hook(Box::new(report_panic));
    let status = panic::catch_unwind(AssertUnwindSafe(convoy)).unwrap_or(ExitStatus::Bug);
    ExitCode::from(status.code())
}

fn convoy() -> ExitStatus {
    // The provider of HTTP clients; only a second call could fail.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let plain = Terminal::new(ProgressMode::Never, Colors::Never);
    let environment = Environment::new(std::env::vars_os(), Path::new("."));
    let colors = environment.colors();
    let terminal = |progress| Terminal::new(progress, colors);
    let (request, notes) = cli::parse(std::env::args_os(), environment);
    match request {
        Ok(Request::Show(text)) => show(&text, &plain),
        Ok(Request::Run {
            command,
            invocation,
            progress,
            verbosity,
        }) => {
            let terminal = terminal(progress).with_verbosity(verbosity);
            say(&notes, &terminal);
            run(&command, &invocation, &terminal)
        }
        Err(error) => {
            let terminal = terminal(ProgressMode::Never);
            say(&notes, &terminal);
            reject(&error, &terminal)
        }
    }
}

fn run(command: &Command, invocation: &Invocation, terminal: &Terminal) -> ExitStatus {
    adopt_engine(command, invocation);
    command::run(command, invocation, terminal).unwrap_or_else(|error| {
        terminal.error(&error, error.hint().as_deref());
        error.exit_status()
    })
}

/// Sets `DOCKER_HOST` if testcontainers would not find the container engine otherwise: it reads the
/// environment and has no other setting.
#[expect(
    unsafe_code,
    reason = "the environment can be changed safely only while the process has one thread"
)]
fn adopt_engine(command: &Command, invocation: &Invocation) {
    let Command::Simulate(settings) = command else {
        return;
    };
    if let Some(address) = backend::engine_address(settings, &invocation.docker_env) {
        // SAFETY: this is the only thread. `main` has started none, the search for the engine has
        // ended its own, and every other thread is started by the command that runs next.
        unsafe { std::env::set_var("DOCKER_HOST", address) };
    }
}

fn say(notes: &[String], terminal: &Terminal) {
    for note in notes {
        terminal.say(format_args!("note: {note}"));
    }
}

fn show(text: &str, terminal: &Terminal) -> ExitStatus {
    let text = with_wrapped_usage(text, &terminal.page());
    match terminal.data(|stdout| stdout.write_all(text.as_bytes())) {
        Ok(()) => ExitStatus::Success,
        Err(_closed) => ExitStatus::Environment,
    }
}

/// Wraps the line that clap does not wrap.
fn with_wrapped_usage(text: &str, page: &Page) -> String {
    let lines = text.split_inclusive('\n').map(|line| {
        if line.starts_with("Usage: ") {
            page.paragraph(line, "Usage: ".len())
        } else {
            line.to_owned()
        }
    });
    lines.collect()
}

fn reject(error: &cli::Error, terminal: &Terminal) -> ExitStatus {
    terminal.error(error, error.hint().as_deref());
    ExitStatus::Usage
}

/// Prints where the panic occurred; the joiner of the thread decides how the run ends.
fn report_panic(panic: &PanicHookInfo<'_>) {
    tracing::error!(%panic, "a thread panicked");
    let terminal = Terminal::new(ProgressMode::Never, Colors::Never);
    terminal.say(format_args!(
        "error: convoy has a bug: {panic}\n\nhint: please report this with the command line and the log of the run"
    ));
}
