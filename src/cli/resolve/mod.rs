//! Options → settings: addresses, defaults that depend on other options, and checks across options.

mod capacity;
mod command;
mod commands;
mod external;
mod groups;
mod load;
mod processes;
mod servers;
mod simulate;

pub(super) use command::{Resolved, View, command};
pub(super) use simulate::settings as simulate;
