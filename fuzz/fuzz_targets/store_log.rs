#![no_main]

convoy_fuzz::fuzz!("store_log");
