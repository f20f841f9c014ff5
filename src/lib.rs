//! msgr: Ceph's asynchronous messenger as a library.
#![doc = ""]

mod event;
mod types;
