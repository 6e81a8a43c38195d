//! The REST API: maps a request to its reply. Pure, except for the journal.
//!
//! ```text
//!  Service (routes, locks) ─▶ View (subjects, schemas, compatibility, config)
//!                               │
//!                               ├▶ Reply             of a request that changes nothing
//!                               └▶ Change            entries for the journal, and the reply
//! ```

mod compatibility;
mod config;
mod path;
mod refusal;
mod reply;
mod request;
mod schemas;
mod service;
mod subjects;
mod view;

pub(super) use reply::Reply;
pub(super) use request::Request;
pub(super) use service::Service;
