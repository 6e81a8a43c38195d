#![no_main]

convoy_fuzz::fuzz!("envelope");
