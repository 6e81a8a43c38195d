#![no_main]

convoy_fuzz::fuzz!("registry_journal");
