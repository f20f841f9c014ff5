//! Which msgr this is.

use std::ffi::{CStr, c_char};

/// One number of the package's version.
const fn number(digits: &str) -> u32 {
    let digits = digits.as_bytes();
    let mut value = 0;
    let mut at = 0;
    while at < digits.len() {
        value = value * 10 + (digits[at] - b'0') as u32;
        at += 1;
    }
    value
}

const VERSION: u32 = (number(env!("CARGO_PKG_VERSION_MAJOR")) << 16)
    | (number(env!("CARGO_PKG_VERSION_MINOR")) << 8)
    | number(env!("CARGO_PKG_VERSION_PATCH"));

const VERSION_TEXT: &CStr =
    match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(text) => text,
        Err(_) => panic!("the version has no NUL"),
    };

/// The version of the library that is loaded, composed like `MSGR_VERSION`,
/// which is the version of the header: major << 16 | minor << 8 | patch.
#[no_mangle]
pub const extern "C" fn msgr_version() -> u32 {
    VERSION
}

/// The same as text, "0.1.0". Constant; belongs to the library.
#[no_mangle]
pub const extern "C" fn msgr_version_string() -> *const c_char {
    VERSION_TEXT.as_ptr()
}
