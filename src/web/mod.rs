//! The live page: a small HTTP server that shows a [`Site`] to browsers and to Prometheus.
//!
//! ```text
//!  GET /           the page, complete without scripts
//!  GET /live.js    replaces parts of the page
//!  GET /events     server-sent events: `second` with the parts that change, `end` with the report
//!  GET /metrics    Prometheus
//!  GET /…          details, such as the documents of one vehicle
//! ```
//!
//! Nothing can be changed over it. It serves this machine unless a host is given, refuses requests
//! of other pages (`origin`), limits its connections, and ends with the command: a browser that is
//! still connected gets the last event and is closed.
//!
//! # References
//!
//! WHATWG HTML, "Server-sent events"; Prometheus, "Exposition formats", text format 0.0.4.

mod address;
mod error;
mod events;
mod metrics;
mod origin;
mod response;
mod server;
#[cfg(test)]
mod tests;

pub use address::WebAddress;
pub use error::Error;
pub use metrics::{Kind, Metrics};
pub use server::{Bell, Detail, Server, Site};
