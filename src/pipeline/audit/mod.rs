//! The verdict: documents of the store compared with the readings emitted.

pub mod accounting;
pub mod scan;
