//! The program as its users meet it: the executable, its streams, its files and its exit status.
//!
//! One binary, because each costs a link of everything. Every test has a directory and an
//! environment of its own; ports are free ones; nothing sleeps.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests panic"
)]
#![allow(missing_docs, reason = "a test's name says what it shows")]

mod bad_input;
mod ci;
mod clients;
mod connections;
mod containers;
mod crash;
mod dataset;
mod durability;
mod external;
mod faults;
mod findings;
mod help;
mod install;
mod interrupts;
mod live;
mod outages;
mod place;
mod processes;
mod readme;
mod records;
mod reports;
mod screens;
mod searches;
mod secrets;
mod serving;
mod simulate;
mod stand_in;
mod surroundings;
mod tidy;
mod up;
mod up_command;
