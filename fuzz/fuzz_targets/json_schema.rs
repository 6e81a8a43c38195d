#![no_main]

convoy_fuzz::fuzz!("json_schema");
