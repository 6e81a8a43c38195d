//! The program: command line → command → exit status.

use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::path::Path;
use std::process::ExitCode;

use crate::cli::{self, Environment, Request};
use crate::command::{self, Command};
use crate::error::{Error, ExitStatus};
use crate::host::{backend, interrupt, open_files};
use crate::platform;
use crate::settings::Invocation;
use crate::terminal::{Colors, Terminal, Ui, restore};
use crate::text::{Ink, Page};

/// Runs convoy with the arguments and the environment of the process.
pub fn main() -> ExitCode {
    panic::set_hook(Box::new(report_panic));
    let status = panic::catch_unwind(AssertUnwindSafe(convoy)).unwrap_or(ExitStatus::Bug);
    ExitCode::from(status.code())
}

fn convoy() -> ExitStatus {
    // The provider of HTTP clients; only a second call could fail.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    // Without a handler, a write beyond the limit on file sizes ends the process.
    let _installed = platform::fail_oversized_writes();
    let environment = Environment::new(std::env::vars_os(), Path::new("."));
    let colors = environment.colors();
    let terminal = |ui| Terminal::new(ui, colors);
    let (request, notes) = cli::parse(std::env::args_os(), environment);
    match request {
        Ok(Request::Show(text)) => show(&text, &terminal(Ui::Plain)),
        Ok(Request::Help(text)) => {
            let terminal = terminal(Ui::Plain);
            show(&help(&text, &terminal.page()), &terminal)
        }
        Ok(Request::Run {
            command,
            invocation,
            ui,
            verbosity,
        }) => {
            let terminal = terminal(ui).with_verbosity(verbosity);
            say(&notes, &terminal);
            run(&command, &invocation, &terminal)
        }
        Err(error) => {
            let terminal = terminal(Ui::Plain);
            say(&notes, &terminal);
            reject(&error, &terminal)
        }
    }
}

fn run(command: &Command, invocation: &Invocation, terminal: &Terminal) -> ExitStatus {
    adopt_engine(command, invocation);
    let ended = command::run(command, invocation, terminal);
    terminal.restore();
    ended.unwrap_or_else(|error| {
        let status = error.exit_status();
        let named = matches!(error, Error::OpenFiles { .. });
        let few_files = open_files::hint().filter(|_| status == ExitStatus::Environment && !named);
        let hints: Vec<String> = error.hint().into_iter().chain(few_files).collect();
        let hint = hints.join("; ");
        terminal.error(&error, (!hint.is_empty()).then_some(hint.as_str()));
        status
    })
}

/// Sets `DOCKER_HOST` if testcontainers would not find the container engine otherwise: it reads the
/// environment and has no other setting.
#[expect(
    unsafe_code,
    reason = "the environment can be changed safely only while the process has one thread"
)]
fn adopt_engine(command: &Command, invocation: &Invocation) {
    let settings = match command {
        Command::Simulate(settings) => &**settings,
        Command::Capacity(settings) => &settings.simulate,
        Command::Sweep(settings) => match settings.combinations.first() {
            Some(first) => &first.simulate,
            None => return,
        },
        _ => return,
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
    match terminal.data(|stdout| stdout.write_all(text.as_bytes())) {
        Ok(()) => ExitStatus::Success,
        Err(_closed) => ExitStatus::Environment,
    }
}

/// Wraps the line that clap does not wrap, and colors the headings.
fn help(text: &str, page: &Page) -> String {
    const USAGE: &str = "Usage:";
    let lines = text.split_inclusive('\n').map(|line| {
        if line.starts_with(USAGE) {
            let usage = page.paragraph(line, USAGE.len() + 1);
            return usage.replacen(USAGE, &page.paint(Ink::Strong, USAGE), 1);
        }
        match line.trim_end().strip_suffix(':') {
            Some(heading) if !heading.is_empty() && !heading.starts_with(' ') => {
                let heading = line.trim_end();
                line.replacen(heading, &page.paint(Ink::Strong, heading), 1)
            }
            _ => line.to_owned(),
        }
    });
    lines.collect()
}

fn reject(error: &cli::Error, terminal: &Terminal) -> ExitStatus {
    terminal.error(error, error.hint().as_deref());
    ExitStatus::Usage
}

/// Prints where the panic occurred; the joiner of the thread decides how the run ends.
///
/// Runtimes panic if a thread cannot be started, and would wait for it for ever. This ends the process.
fn report_panic(panic: &PanicHookInfo<'_>) {
    restore();
    let payload = panic.payload();
    let message = payload.downcast_ref::<String>().map(String::as_str);
    let message = message.or_else(|| payload.downcast_ref::<&str>().copied());
    if let Some(reason) = message.and_then(failed_thread) {
        let error = Error::Runtime(std::io::Error::other(reason.to_owned()));
        let terminal = Terminal::new(Ui::Plain, Colors::Never);
        terminal.error(&error, error.hint().as_deref());
        interrupt::remove_temporary_data();
        interrupt::end_process(ExitStatus::Environment);
    }
    tracing::error!(%panic, "a thread panicked");
    let terminal = Terminal::new(Ui::Plain, Colors::Never);
    terminal.say(format_args!(
        "error: convoy has a bug: {panic}\n\nhint: please report this with the command line and the log of the run"
    ));
}

/// Returns why a thread could not be started, if the message of a panic says so. tokio and the
/// standard library panic with these.
fn failed_thread(panic: &str) -> Option<&str> {
    let failed = ["OS can't spawn worker thread: ", "failed to spawn thread: "];
    failed.iter().find_map(|prefix| panic.strip_prefix(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_of_help_are_colored() {
        let text = "Runs.\n\nUsage: convoy up\n\nOptions:\n  --a  Any of:\n";
        assert_eq!(help(text, &Page::default()), text);
        let colored = help(text, &Page::new(Some(80), true));
        let strong = |text: &str| Page::new(None, true).paint(Ink::Strong, text);
        let (usage, options) = (strong("Usage:"), strong("Options:"));
        let expected = format!("Runs.\n\n{usage} convoy up\n\n{options}\n  --a  Any of:\n");
        assert_eq!(colored, expected);
    }

    #[test]
    fn panic_of_a_thread_that_cannot_be_started_is_told_from_a_bug() {
        let reason = "Resource temporarily unavailable (os error 11)";
        let panic = format!("OS can't spawn worker thread: {reason}");
        assert_eq!(failed_thread(&panic), Some(reason));
        assert_eq!(failed_thread("index out of bounds"), None);
    }
}
