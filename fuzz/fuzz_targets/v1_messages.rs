#![no_main]
msgr_fuzz::target!("v1_messages");
