#![no_main]
msgr_fuzz::target!("c_calls");
