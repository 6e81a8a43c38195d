//! Gives back the space of segments that are mostly dead.

// placeholder
