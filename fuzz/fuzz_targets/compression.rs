#![no_main]
msgr_fuzz::target!("compression");
