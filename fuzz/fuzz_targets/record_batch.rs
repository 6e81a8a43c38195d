#![no_main]

convoy_fuzz::fuzz!("record_batch");
