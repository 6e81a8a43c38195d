#![no_main]

convoy_fuzz::fuzz!("mongo_message");
