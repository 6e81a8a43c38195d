#![no_main]

convoy_fuzz::fuzz!("broker_log");
