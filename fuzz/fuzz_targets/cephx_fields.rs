#![no_main]
msgr_fuzz::target!("cephx_fields");
