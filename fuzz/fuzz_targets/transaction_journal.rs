#![no_main]

convoy_fuzz::fuzz!("transaction_journal");
