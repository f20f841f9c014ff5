//! The C interface: `include/msgr.h` is generated from this tree.
//!
//! Nothing happens here but translation. A function checks what C can get
//! wrong, makes one call of the crate's public API and translates the answer;
//! whatever a C program can do, a Rust program can do without this module.
//!
//! # Conventions
//!
//! One file per noun of the header, in the header's order, and three that are
//! machinery:
//!
//! * [`handle`] turns pointers into references and back. No other file casts
//!   a pointer; each handle is one count of an [`Arc`](std::sync::Arc).
//! * `guard` runs the body of every function. A panic or an error ends there
//!   as a negative errno and a text for `msgr_last_error`.
//! * `fork` lets [`handle`] tell a child's handles from those it inherited.
//!
//! What every function may rely on, and what "by the conventions" means where
//! a function's safety section says it:
//!
//! * A handle is NULL or was returned by this library and still has a
//!   reference that belongs to the caller or is lent to it.
//! * A text is NULL or ends with a NUL byte; a buffer or an out-parameter is
//!   NULL or writable for as many bytes as its length or type says.
//! * A structure is NULL or readable for as many bytes as its `struct_size`.
//! * A callback does not unwind, and may run on any thread together with the
//!   pointer that was given with it.
//!
//! Nothing else is trusted: NULL, unknown numbers, unterminated sizes and
//! calls in the wrong order get an errno. Out-parameters that return a handle
//! are set to NULL on failure; text buffers are written only on success.

#![expect(unsafe_code, reason = "this is where C hands over raw pointers")]

pub mod addr;
pub mod admin;
pub mod auth;
pub mod auth_reply;
pub mod body;
pub mod buf;
pub mod conf;
pub mod connection;
pub mod context;
pub mod decoder;
pub mod dispatcher;
pub mod error;
mod fork;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod guard;
pub mod handle;
pub mod identity;
pub mod keys;
pub mod log;
mod memory;
pub mod message;
pub mod message_header;
pub mod messenger;
pub mod name;
pub mod object;
pub mod perf;
pub mod policy;
pub mod rx_alloc;
pub mod segment;
pub mod settings;
pub mod throttle;
pub mod version;
pub mod view;
