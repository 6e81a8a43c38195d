//! Fuzzes every decoder, one after the other: `just fuzz SECONDS [TARGET…]`.
//!
//! Inputs are changes of those in `fixtures/fuzz/<target>/` and of inputs of which something new
//! became. `CONVOY_FUZZ_SEED` repeats a campaign. A finding is kept in `target/fuzz/`; put it into
//! the corpus once it is mended.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool for developers"
)]

mod campaign;
mod mutate;

use std::fs::{self, File};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use convoy::fuzz::TARGETS;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use self::campaign::Campaign;

/// Address space of the process: whoever reserves by a number on the wire fails.
const ADDRESS_SPACE: u64 = 8 << 30;

/// Seconds per target where nothing is said.
const SECONDS: u64 = 60;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().and_then(|text| text.parse().ok());
    let wanted: Vec<String> = arguments.collect();
    let seed = std::env::var("CONVOY_FUZZ_SEED").ok();
    let seed = seed.and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(rand::random::<u64>);
    println!("seed {seed}");
    let limited = setrlimit(
        Resource::As,
        Rlimit {
            current: Some(ADDRESS_SPACE),
            maximum: getrlimit(Resource::As).maximum,
        },
    );
    if let Err(error) = limited {
        eprintln!("the address space is not limited: {error}");
    }
    let place = Path::new("target/fuzz");
    let mut status = ExitCode::SUCCESS;
    for target in TARGETS {
        if !wanted.is_empty() && !wanted.iter().any(|name| name == target.name) {
            continue;
        }
        let made = fs::create_dir_all(place);
        let current = made.and_then(|()| File::create(place.join("current")));
        let campaign = Campaign::new(target, seed, current.ok());
        match campaign.run(Duration::from_secs(seconds.unwrap_or(SECONDS))) {
            Ok(summary) => println!(
                "ok   {:<17} {:>10} inputs {:>6} outcomes, slowest {:>7.1} ms, {:>4} MB more",
                target.name,
                summary.executions,
                summary.outcomes,
                summary.slowest.as_secs_f64() * 1e3,
                summary.memory >> 20
            ),
            Err(finding) => {
                let path = place.join(format!("{}-{seed}", target.name));
                let kept = fs::write(&path, &finding.input);
                println!("FAIL {:<17} {}", target.name, finding.what);
                println!("     input: {} ({kept:?})", path.display());
                status = ExitCode::FAILURE;
            }
        }
    }
    status
}
