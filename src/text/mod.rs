//! Text for people: numbers with units, lines that fit the terminal, colors.
//!
//! Pure. A [`Page`] is what a renderer knows about where its text goes.

mod page;
pub mod quantity;

pub use page::{Ink, Page};
