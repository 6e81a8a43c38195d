//! Synthetic rows.
