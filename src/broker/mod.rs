//! The broker: what is asked for, what is live, the client, and the three kinds of it.

pub mod embedded;
