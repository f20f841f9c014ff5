#![no_main]
msgr_fuzz::target!("frames_secure");
