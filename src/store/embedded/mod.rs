//! An in-process document store that speaks the MongoDB wire protocol.
