//! The executable.

use std::process::ExitCode;

/// Stores 10–20 % more records per second than with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    convoy::main()
}
