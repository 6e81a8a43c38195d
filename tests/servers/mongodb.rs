//! The MongoDB server with MongoDB's own driver.
