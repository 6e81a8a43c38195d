#![no_main]

convoy_fuzz::fuzz!("group_journal");
