#![no_main]

convoy_fuzz::fuzz!("kafka_login");
